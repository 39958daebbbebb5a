"""Fails each system call of the command in turn, and looks what is left.

    faults.py COMMAND [--backend json|sqlite] [--operation NAME] [--share N] [--seed N] [--table FILE]

One run of an operation under `strace` tells which system calls touch the storage's folder. Then the operation runs again
and again, each time on a fresh copy of the same storage, and each time one of those calls fails (`strace --inject`), or
the process is killed there. A limit on the size of files gives short counts, which an injected result cannot (the data
would not be written). `--share N` runs every N-th fault, from a start that `--seed` picks.

What must hold after each:
- every record is the old one or the new one, and all can be read (A1, D1, D2);
- exit code 0 means new, another one means old, unless the message says that it may have happened;
- after the next good write nothing is left in the folder that does not belong there (D2);
- no token is in a message (S1), and nothing hangs;
- a refresh that failed before the request was sent has sent nothing (L6); one token is never sent twice.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import http.server
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse

TIMEOUT = 60
CANARY = "CaNaRy"
# What is read of a damaged file.
DAMAGED = "damaged"

# What each call can fail with; every call can also be the last thing that the process does.
FAULTS = {
    "openat": ["EACCES", "EMFILE", "EIO", "ENOSPC"],
    "read": ["EIO"],
    "pread64": ["EIO"],
    "write": ["EIO", "ENOSPC"],
    "pwrite64": ["EIO", "ENOSPC"],
    "fsync": ["EIO", "ENOSPC"],
    "fdatasync": ["EIO", "ENOSPC"],
    "rename": ["EIO", "EACCES", "ENOSPC", "EBUSY"],
    "renameat": ["EIO", "EACCES", "ENOSPC", "EBUSY"],
    "renameat2": ["EIO", "EACCES", "ENOSPC", "EBUSY"],
    "unlink": ["EIO", "EACCES"],
    "unlinkat": ["EIO", "EACCES"],
    "link": ["EIO", "EACCES"],
    "linkat": ["EIO", "EACCES"],
    "ftruncate": ["EIO", "ENOSPC"],
    "mkdir": ["EACCES", "ENOSPC"],
    "mkdirat": ["EACCES", "ENOSPC"],
    "flock": ["ENOLCK", "EIO"],
    "fcntl": ["ENOLCK", "EIO"],
    "statx": ["EACCES", "EIO"],
    "newfstatat": ["EACCES", "EIO"],
    "fstat": ["EIO"],
    "getdents64": ["EIO"],
    "fchmod": ["EACCES"],
    "mmap": ["ENOMEM"],
}
KILL = "kill"
SIZES = [0, 1, 32, 100, 300, 512, 1000, 4096, 5000, 8192, 12288, 16384, 20480, 28672, 40960]


class Server(http.server.ThreadingHTTPServer):
    """A token endpoint that rotates: each refresh token is good for one request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.seen = collections.Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/token"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["Content-Length"])
        form = urllib.parse.parse_qs(self.rfile.read(length).decode())
        old = form["refresh_token"][0]
        with self.server.lock:
            self.server.seen[old] += 1
            reused = self.server.seen[old] > 1
        if reused:
            status, body = 400, {"error": "invalid_grant"}
        else:
            status, body = 200, dict(response("a", f"{old}-next"), expires_in=3600)
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def response(name, version, expires_in=172800):
    return {
        "access_token": f"{CANARY}-access-{name}-{version}",
        "refresh_token": f"{CANARY}-refresh-{name}-{version}",
        "resource_server": name,
        "scope": "read",
        "token_type": "Bearer",
        "expires_in": expires_in,
        "padding": "x" * 300,
    }


@dataclasses.dataclass
class Operation:
    """What is run, and the refresh tokens that may be stored afterwards: the old ones, and the new."""

    name: str
    arguments: list
    old: dict
    new: dict
    stdin: str = ""
    seed: str = "seeded"
    reads: bool = False

    @property
    def refreshes(self):
        return self.name == "refresh"


def token(name, version):
    return response(name, version)["refresh_token"]


# What is saved of a damaged file.
SAVED = {"a": token("a", 1), "b": token("b", 1), "c": None}


def operations():
    old = {"a": token("a", 1), "b": token("b", 1), "c": None}
    batch = json.dumps({**response("a", 2), "other_tokens": [response("c", 2)]})
    both = {**old, "a": token("a", 2), "c": token("c", 2)}
    refreshed = {**old, "a": token("a", f"{token('a', 1)}-next")}
    nothing = dict.fromkeys("abc")
    yield Operation("create", ["store"], nothing, {**nothing, "a": token("a", 2)}, json.dumps(response("a", 2)), seed="empty")
    yield Operation("store", ["store"], old, {**old, "a": token("a", 2)}, json.dumps(response("a", 2)))
    yield Operation("store_all", ["store"], old, both, batch)
    yield Operation("remove", ["remove", "a"], old, {**old, "a": None})
    yield Operation("get", ["get", "a", "--reveal", "--json"], old, old, reads=True)
    yield Operation("list", ["list", "--long", "--json"], old, old, reads=True)
    yield Operation("upgrade", ["store"], old, {**old, "a": token("a", 2)}, json.dumps(response("a", 2)), seed="upgrade")
    damaged = dict.fromkeys("abc", DAMAGED)
    renewed = {**old, "a": token("a", 2)}
    yield Operation("damaged", ["store"], damaged, renewed, json.dumps(response("a", 2)), seed="damaged")
    yield Operation("refresh", ["access-token", "a"], old, refreshed, seed="expired")


class Backend:
    def __init__(self, name, command, server, work):
        self.name, self.command, self.server, self.work = name, command, server, work
        self.file = {"json": "t.json", "sqlite": "t.db"}[name]
        self.seeds = {name: self.seed(name) for name in ("empty", "seeded", "expired", "upgrade", "damaged")}

    def seed(self, name):
        folder = self.work / f"{self.name}-{name}"
        folder.mkdir(mode=0o700)
        if name == "empty":
            return folder
        if name == "upgrade":
            self.write_old_format(folder)
            return folder
        lifetime = 0 if name == "expired" else 172800
        for key in "ab":
            stored = self.call(folder, ["store"], json.dumps(response(key, 1, lifetime)))
            assert stored.returncode == 0, stored.stderr
        if name == "damaged":
            # The end of an older, longer file: all records can be read, and go on in the file that takes its place.
            with (folder / self.file).open("ab") as file:
                file.write(b"the end of another}}")
        return folder

    def write_old_format(self, folder):
        """The first format of the Python SDK, which the first write upgrades."""
        data = {key: {**response(key, 1), "expires_at_seconds": 4102444800} for key in "ab"}
        for value in data.values():
            del value["expires_in"]
        path = folder / self.file
        path.touch(mode=0o600)
        if self.name == "json":
            path.write_text(json.dumps({"globus-sdk.version": "3.65.0", "format_version": "1.0", "by_rs": data}))
            return
        import sqlite3

        with sqlite3.connect(path) as database:
            database.executescript(
                "CREATE TABLE config_storage (namespace VARCHAR NOT NULL, config_name VARCHAR NOT NULL,"
                " config_data_json VARCHAR NOT NULL, PRIMARY KEY (namespace, config_name));"
                "CREATE TABLE token_storage (namespace VARCHAR NOT NULL, resource_server VARCHAR NOT NULL,"
                " token_data_json VARCHAR NOT NULL, PRIMARY KEY (namespace, resource_server));"
                "CREATE TABLE sdk_storage_adapter_internal (attribute VARCHAR NOT NULL, value VARCHAR NOT NULL,"
                " PRIMARY KEY (attribute));"
                "INSERT INTO sdk_storage_adapter_internal VALUES ('globus-sdk.version', '3.65.0');"
                "INSERT INTO sdk_storage_adapter_internal VALUES ('globus-sdk.database_schema_version', '1');"
            )
            rows = [("DEFAULT", key, json.dumps(value)) for key, value in data.items()]
            database.executemany("INSERT INTO token_storage VALUES (?, ?, ?)", rows)
        database.close()

    def argv(self, folder, arguments):
        argv = [self.command, "--storage", f"{self.name}:{folder / self.file}", *arguments]
        if arguments[0] == "access-token":
            argv += ["--token-endpoint", self.server.url, "--client-id", "a-client"]
        return argv

    def call(self, folder, arguments, stdin="", before=(), prepare=None):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.work), "RUST_BACKTRACE": "0"}
        return subprocess.run(
            [*before, *self.argv(folder, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=environment,
            preexec_fn=prepare,
            check=False,
        )

    def read(self, folder):
        """The refresh tokens of all keys; a record that cannot be read is its message."""
        found = {}
        for key in "abc":
            got = self.call(folder, ["get", key, "--reveal", "--json"])
            if got.returncode == 0:
                found[key] = json.loads(got.stdout)["refresh_token"]
            elif got.returncode == 3:
                found[key] = None
            elif got.returncode == 5:
                found[key] = DAMAGED
            else:
                found[key] = f"unreadable ({got.returncode}): {got.stderr.strip()}"
        return found

    def strays(self, folder, keeps_damage):
        """What lies in the folder, now that a good write is over, and does not belong there."""
        belongs = re.compile(
            # The original of a file in the old format is kept until the user deletes it.
            re.escape(self.file)
            + r"(-wal|-shm|\.lock|\.lease.*|\.leases.*|\.original-.*"
            + (r"|\.damaged-.*)?" if keeps_damage else ")?")
        )
        return sorted(
            str(path.relative_to(folder))
            for path in folder.rglob("*")
            if path.is_file() and not belongs.fullmatch(str(path.relative_to(folder)).split("/")[0])
        )


@dataclasses.dataclass(frozen=True)
class Fault:
    """The `when`-th call of that name in a thread fails with `what`."""

    call: str
    when: int
    what: str

    def injection(self):
        how = "signal=KILL" if self.what == KILL else f"error={self.what}"
        return f"inject={self.call}:{how}:when={self.when}"


LINE = re.compile(r"^(\d+) +(\w+)\((.*)")


def sites(backend, operation):
    """The calls that touch the folder, as their name and how many of that name the thread has made by then."""
    folder = fresh(backend, operation)
    log = folder.parent / "strace.log"
    calls = ",".join(FAULTS)
    before = ["strace", "-f", "-y", "-s", "0", "-o", str(log), "-e", f"trace={calls}"]
    done = backend.call(folder, operation.arguments, operation.stdin, before)
    assert done.returncode == 0, f"{operation.name} fails without a fault: {done.stderr}"
    counts, found = collections.Counter(), []
    for line in log.read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if not match:
            continue
        thread, call, rest = match.groups()
        counts[thread, call] += 1
        if str(folder) in rest and not rest.rstrip().endswith("F_GETFD") and ", F_GETFD" not in rest:
            found.append((call, counts[thread, call]))
    shutil.rmtree(folder.parent)
    backend.server.seen.clear()
    return sorted(set(found))


counter_lock, counter = threading.Lock(), iter(range(10**9))


def fresh(backend, operation):
    with counter_lock:
        place = backend.work / f"run-{next(counter)}"
    place.mkdir()
    return pathlib.Path(shutil.copytree(backend.seeds[operation.seed], place / "storage"))


def with_own_refresh_token(backend, folder, number):
    """The server knows each run by its refresh token."""
    own = response("a", f"run{number}", 0)
    stored = backend.call(folder, ["store"], json.dumps(own))
    assert stored.returncode == 0, stored.stderr
    return own["refresh_token"]


def try_one(backend, operation, fault):
    """What is wrong after this fault, and what it struck."""
    folder = fresh(backend, operation)
    log = folder.parent / "strace.log"
    sent, old, new = None, operation.old, operation.new
    if operation.refreshes:
        sent = with_own_refresh_token(backend, folder, folder.parent.name)
        old = {**old, "a": sent}
        new = {**new, "a": token("a", f"{sent}-next")}
    before, prepare = [], None
    if fault.call == "size":
        def prepare():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.when, fault.when))
    else:
        before = ["strace", "-f", "-y", "-s", "0", "-o", str(log), "-e", f"trace={fault.call}", "-e", fault.injection()]
    try:
        done = backend.call(folder, operation.arguments, operation.stdin, before, prepare)
    except subprocess.TimeoutExpired:
        done = None
    where = struck(log, folder)
    if where == ELSEWHERE:
        wrong = after_the_next_write(backend, operation, folder, backend.read(folder))
    elif done is None:
        wrong = [f"did not end within {TIMEOUT} s"]
    else:
        wrong = judge(backend, operation, fault, folder, done, old, new, sent)
    shutil.rmtree(folder.parent)
    return wrong, where


NOWHERE, HERE, ELSEWHERE = range(3)


def struck(log, folder):
    """Whether the fault struck a call of the storage's, nothing at all, or a call of that number in another thread that
    has nothing to do with the storage (waking the runtime up, printing): what that leads to is nobody's promise."""
    if not log.exists():
        return HERE
    lines = log.read_text(errors="replace").splitlines()
    injected = [line for line in lines if "(INJECTED)" in line]
    if not injected:
        return HERE if any("killed by SIGKILL" in line for line in lines) else NOWHERE
    # Before it closes a descriptor, a debug build of the standard library looks whether it is one, and minds EBADF alone.
    meant = [line for line in injected if "F_GETFD" not in line]
    return HERE if meant and all(str(folder) in line for line in meant) else ELSEWHERE


def judge(backend, operation, fault, folder, done, old, new, sent):
    """What does not hold after an operation that a call of the storage's failed in."""
    wrong = []
    killed = fault.what == KILL
    said = done.stderr + ("" if operation.reads or operation.refreshes else done.stdout)
    if CANARY in said:
        wrong.append("a token is in a message")
    if "panicked" in done.stderr:
        wrong.append(f"panicked: {done.stderr.strip()}")
    requests = backend.server.seen[sent] if sent else 0
    found = backend.read(folder)
    if operation.seed == "damaged" and found == SAVED:
        # The database was replaced, and the write that comes after did not happen.
        old = SAVED
    if found not in (old, new):
        wrong.append(f"neither the old nor the new records: {found}")
    elif not killed and not operation.reads:
        uncertain = any(words in done.stderr for words in ("may have", "unknown", "stored"))
        if done.returncode == 0 and found != new:
            wrong.append("exit code 0, and the records are the old ones")
        if done.returncode != 0 and found == new != old and not uncertain:
            wrong.append(f"exit code {done.returncode}, and the records are the new ones: {done.stderr.strip()}")
        if done.returncode != 0 and not done.stderr.strip():
            wrong.append(f"exit code {done.returncode} without a word")
    if operation.reads and not killed and done.returncode == 0:
        wrong += wrong_answer(operation, done)
    if operation.reads and done.returncode == 3:
        wrong.append("says that there is no such token")
    if requests > 1:
        wrong.append(f"the refresh token was sent {requests} times")
    if sent and requests and not killed and found == old and "stor" not in done.stderr:
        wrong.append(f"the refresh token was spent, and nothing says that the new one is lost: {done.stderr.strip()}")
    wrong += after_the_next_write(backend, operation, folder, found)
    return wrong


def wrong_answer(operation, done):
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return ["exit code 0, and the answer is cut off"]
    if operation.name == "get":
        return [] if answer["refresh_token"] == operation.old["a"] else ["another record was answered"]
    names = [entry["resource_server"] for entry in answer["tokens"] if not entry.get("damaged")]
    return [] if names == ["a", "b"] else [f"lists {names}"]


def after_the_next_write(backend, operation, folder, found):
    wrong = []
    was_damaged = operation.seed == "damaged"
    if DAMAGED in found.values():
        found = SAVED
    stored = backend.call(folder, ["store"], json.dumps(response("b", 3)))
    if stored.returncode != 0:
        return [f"the next good write fails: {stored.stderr.strip()}"]
    if "damaged" in stored.stderr and not was_damaged:
        wrong.append(f"the next good write finds damage: {stored.stderr.strip()}")
    if strays := backend.strays(folder, was_damaged):
        wrong.append(f"left in the folder: {strays}")
    expected = {**found, "b": token("b", 3)}
    if backend.read(folder) != expected:
        wrong.append("the next good write lost a record")
    return wrong


def faults_of(backend, operation):
    for call, when in sites(backend, operation):
        for what in [*FAULTS[call], KILL]:
            yield Fault(call, when, what)
    if not operation.reads:
        for size in SIZES:
            yield Fault("size", size, "short")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", type=pathlib.Path)
    parser.add_argument("--backend", action="append", choices=["json", "sqlite"])
    parser.add_argument("--operation", action="append")
    parser.add_argument("--share", type=int, default=1, metavar="N")
    parser.add_argument("--seed", type=int, default=1, help="which of the faults, if not all")
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}, every {chosen.share}. fault")
    table, failures, silent, elsewhere = collections.Counter(), [], 0, 0
    with tempfile.TemporaryDirectory(prefix="faults-") as work:
        server = Server()
        for name in chosen.backend or ["json", "sqlite"]:
            backend = Backend(name, chosen.command.resolve(), server, pathlib.Path(work))
            for operation in operations():
                if chosen.operation and operation.name not in chosen.operation:
                    continue
                every = list(faults_of(backend, operation))
                start = random.Random(f"{chosen.seed} {name} {operation.name}").randrange(chosen.share)
                # Each read of damage waits for a while whether somebody mends it.
                slow = 4 if operation.seed == "damaged" and chosen.share > 1 else 1
                picked = every[start :: chosen.share * slow]
                with concurrent.futures.ThreadPoolExecutor(chosen.workers) as pool:
                    results = pool.map(lambda fault: (fault, *try_one(backend, operation, fault)), picked)
                    bad = 0
                    for fault, wrong, where in results:
                        table[name, fault.call, fault.what] += where == HERE
                        silent += where == NOWHERE
                        elsewhere += where == ELSEWHERE
                        if wrong:
                            bad += 1
                            failures.append((name, operation.name, fault, wrong))
                            print(f"WRONG {name} {operation.name} {fault}:", *wrong, sep="\n    ")
                print(f"{name} {operation.name}: {len(picked)} of {len(every)} faults, {bad} wrong", flush=True)
    print_table(table, failures, chosen.table)
    struck = sum(table.values())
    print(f"{struck} faults struck, {len(failures)} wrong; {silent} did not strike, {elsewhere} struck elsewhere")
    # Threads are not the same from run to run; if many did not strike, the run says nothing.
    if failures or not struck or (silent + elsewhere) * 4 > struck:
        sys.exit(1)


def print_table(table, failures, path):
    wrong = collections.Counter((name, fault.call, fault.what) for name, _, fault, _ in failures)
    calls = sorted({call for _, call, _ in table})
    lines = ["| call | fault | json | sqlite |", "|---|---|--:|--:|"]
    for call in calls:
        for what in [*FAULTS.get(call, ["short"]), KILL]:
            cells = []
            for name in ("json", "sqlite"):
                runs, bad = table[name, call, what], wrong[name, call, what]
                cells.append("–" if not runs else f"{runs}" if not bad else f"{runs}, {bad} wrong")
            if cells != ["–", "–"]:
                lines.append(f"| `{call}` | {what} | {cells[0]} | {cells[1]} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if path:
        path.write_text(text)


if __name__ == "__main__":
    main()
