#!/usr/bin/env bash
# Files as containers mount them, in mount namespaces, and others that cannot be replaced. On a developer's machine these
# tests leave out aloud what cannot be had there; here nothing is left out. Needs to be run as root.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
need unshare util-linux
need setpriv util-linux
need chattr e2fsprogs

# The files of docs/containers.md: each is YAML, and what it mounts is the folder that the storage's URL leads to.
venv=$(python_env yaml "pyyaml>=6,<7")
"$venv/bin/python" - docs/containers.md <<'PYTHON'
import re, sys, yaml

def values(node, name):
    """What stands under a name, at any depth."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == name)
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from values(inner, name)

blocks = re.findall(r"^```yaml$(.*?)^```$", open(sys.argv[1]).read(), re.M | re.S)
compose, kubernetes = [list(yaml.safe_load_all(block)) for block in blocks]
service = compose[0]["services"]["app"]
name, target = service["volumes"][0].split(":")
assert name in compose[0]["volumes"], name
claim, deployment = kubernetes
pod = deployment["spec"]["template"]["spec"]
container, volume = pod["containers"][0], pod["volumes"][0]
assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
assert container["volumeMounts"][0]["name"] == volume["name"] and not list(values(kubernetes, "subPath"))
assert deployment["spec"]["selector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]
url = next(entry["value"] for entry in container["env"] if entry["name"] == "TOKEN_STORAGE_URL")
for url, mounted in [(service["environment"]["TOKEN_STORAGE_URL"], target), (url, container["volumeMounts"][0]["mountPath"])]:
    assert re.fullmatch(f"json:{mounted}/(private/)?tokens.json", url), (url, mounted)
PYTHON
say "the files of docs/containers.md are as they should be"
TOKEN_STORAGE_REQUIRE_MOUNTS=1 cargo test --quiet "${everything[@]}" --test mounts
