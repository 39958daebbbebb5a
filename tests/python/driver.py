"""A storage of ours behind `examples/interchange.rs`, and what the interchange tests of all backends share."""

import json
import os
import subprocess
import sys

import globus_sdk

VERSION = int(globus_sdk.__version__.split(".")[0])
if VERSION >= 4:
    from globus_sdk import token_storage as new  # noqa: F401
    from globus_sdk.token_storage import legacy  # noqa: F401
else:
    from globus_sdk.tokenstorage import v1 as legacy  # noqa: F401
    from globus_sdk.tokenstorage import v2 as new  # noqa: F401

# Namespaces and resource servers that a careless encoding breaks.
AWKWARD = [
    "",
    " ",
    ":",
    "a:b",
    "nul\0inside",
    "line\nbreak\r\ttab",
    "quote\" back\\slash /",
    "ünï→漢字😀",
    "\x7f\x1b[31m",
    "__proto__",
    "data",
    "k" * 10_000,
]


# Sound JSON with which Python refuses the whole file, and what it reads and writes again.
UNREADABLE = ["9" * 5000, "[1, -" + "9" * 4301 + "]", "[" * 1100 + "]" * 1100, '{"a":' * 1100 + "1" + "}" * 1100]
READABLE = ["1e400", "-1e400", "9" * 4300, "[" * 500 + "]" * 500, '"\\ud800"', '{"a": 1, "a": 2}', "1e-400", "-0.0"]


class StorageError(Exception):
    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Rust:
    """One open storage in a process of its own, as another application would have it."""

    def __init__(self, url):
        self.process = subprocess.Popen(
            [os.environ["TOKEN_STORAGE_DRIVER"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self("open", url=url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def __call__(self, do, **request):
        line = json.dumps({"do": do, **request}) + "\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise StorageError(answer["error"], answer["message"])
        return answer["ok"]

    def store(self, namespace, resource_server, access_token="at", **more):
        request = {"scope": "s1 s2", "access_token": access_token, **more}
        return self("store", namespace=namespace, resource_server=resource_server, **request)

    def get(self, namespace, resource_server):
        return self("get", namespace=namespace, resource_server=resource_server)

    def remove(self, namespace, resource_server):
        return self("remove", namespace=namespace, resource_server=resource_server)


def token(resource_server, access_token="at", **more):
    """A record as the SDK's new classes store it."""
    members = {
        "resource_server": resource_server,
        "identity_id": None,
        "scope": "s1 s2",
        "access_token": access_token,
        "refresh_token": None,
        "expires_at_seconds": 1_795_649_003,
        "token_type": "Bearer",
        **more,
    }
    make = new.TokenStorageData if hasattr(new, "TokenStorageData") else sys.modules[new.__name__].TokenStorageData
    return make(**members)


class Response:
    """What the SDK's legacy classes store: all they use of a token response."""

    def __init__(self, *resource_servers, access_token="at"):
        self.by_resource_server = {
            name: {
                "scope": "s1 s2",
                "access_token": access_token,
                "refresh_token": None,
                "token_type": "Bearer",
                "expires_at_seconds": 1_795_649_003,
                "resource_server": name,
            }
            for name in resource_servers
        }
