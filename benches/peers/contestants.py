"""Storages of Python as contestants, asked by compare.py: `contestants.py NAME FOLDER RECORDS`.

The lines that are asked and answered are those of contestant/src/lib.rs.
"""

import json
import random
import sys
import time
from pathlib import Path

name, folder, records = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])


def key(n: int) -> str:
    return f"resource-server-{n}.example.org"


def record(n: int, turn: int) -> dict:
    return {
        "resource_server": key(n),
        "identity_id": None,
        "scope": "openid profile email",
        "refresh_token": f"{turn:0>200}",
        "access_token": f"{turn:0>500}",
        "expires_at_seconds": 4_102_444_800,
        "token_type": "Bearer",
    }


class Globus:
    """A storage of the Globus SDK, as a program of one user has it."""

    def __init__(self) -> None:
        from globus_sdk.token_storage import JSONTokenStorage, SQLiteTokenStorage, TokenStorageData

        self.data = TokenStorageData
        if name == "globus-sdk-json":
            self.storage = JSONTokenStorage(str(folder / "tokens.json"))
        else:
            self.storage = SQLiteTokenStorage(str(folder / "tokens.db"))

    def fill(self) -> None:
        self.storage.store_token_data_by_resource_server({key(n): self.data(**record(n, 0)) for n in range(records)})

    def get(self, n: int) -> str:
        return self.storage.get_token_data(key(n)).access_token

    def store(self, n: int, turn: int) -> None:
        self.storage.store_token_data_by_resource_server({key(n): self.data(**record(n, turn))})


class Msal:
    """Records as JSON in FilePersistence, under the lock of msal-extensions."""

    def __init__(self) -> None:
        from msal_extensions import CrossPlatLock, FilePersistence

        self.persistence = FilePersistence(str(folder / "tokens.json"))
        self.lock = lambda: CrossPlatLock(str(folder / "tokens.lock"))

    def fill(self) -> None:
        self.persistence.save(json.dumps({key(n): record(n, 0) for n in range(records)}))

    def get(self, n: int) -> str:
        return json.loads(self.persistence.load())[key(n)]["access_token"]

    def store(self, n: int, turn: int) -> None:
        with self.lock():
            all_of_them = json.loads(self.persistence.load())
            all_of_them[key(n)] = record(n, turn)
            self.persistence.save(json.dumps(all_of_them))


KNOWN = {
    "globus-sdk-json": (Globus, "json", "false", "every process sees it; one file, written in place; no lock"),
    "globus-sdk-sqlite": (Globus, "sqlite", "true", "every process sees it; SQLite, a rollback journal and FULL"),
    "msal-extensions": (Msal, "json", "false", "every process sees it; one file, written in place, under a lock file"),
}


def say(*words: object) -> None:
    print(*words, flush=True)


def main() -> None:
    kind, beside, durable, promise = KNOWN[name]
    contestant = kind()
    contestant.fill()
    assert contestant.get(0) == record(0, 0)["access_token"], "not what was stored"
    turn = 0
    chosen = random.Random(1)
    say("ready", beside, durable, promise)
    for line in sys.stdin:
        what, _, number = line.strip().partition(" ")
        if what == "check":
            turn += 1
            contestant.store(0, turn)
            contestant = kind()
            say("done", 1, 0, int(contestant.get(0) != record(0, turn)["access_token"]))
            continue
        if what in ("together", "count-together"):
            # Its threads take turns by Python's lock, and the SDK's storages are for one of them.
            say("none")
            continue
        calls, started = 0, time.perf_counter_ns()
        limit = int(number)
        while calls == 0 or (
            calls < limit if what == "count" else time.perf_counter_ns() - started < limit * 1_000_000
        ):
            if what == "get":
                contestant.get(chosen.randrange(records))
            else:
                turn += 1
                contestant.store(chosen.randrange(records), turn)
            calls += 1
        say("done", calls, time.perf_counter_ns() - started, 0)


main()
