"""Goals of docs/performance.md that are the command's: P14 to P18, each beside its floor, as rows for goals.sh.

usage: commands.py PROGRAM PYTHON FOLDER [quick]

PROGRAM is `token-storage`, PYTHON has globus-sdk, FOLDER is on the disk that matters. `quick` takes a hundredth of the
records and an eighth of the processes, and shows only that it works. CPU times and memory are those that the kernel
counts for the process; P18 is what users feel, so it is the clock's.
"""

import http.server
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

program, python, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
quick = "quick" in sys.argv[4:]
SERVER = "resource-server-0.example.org"
MEBIBYTE = 1 << 20


def tell(name, what, measured, unit, goal, met, beside):
    verdict = "met" if met else "not met"
    print(f"goal | {name} | {what} | {measured:.3g}{unit} | {goal} | {beside} | {verdict}", flush=True)


class Ran:
    """A process that has ended: seconds of CPU, seconds by the clock, bytes of memory at most, exit code, output."""

    def __init__(self, *command, given=None, keep=False):
        started = time.perf_counter()
        output = subprocess.PIPE if keep else subprocess.DEVNULL
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE)
        if given:
            process.stdin.write(given)
        process.stdin.close()
        self.output = process.stdout.read() if keep else b""
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.perf_counter() - started
        self.cpu = usage.ru_utime + usage.ru_stime
        self.memory = usage.ru_maxrss * 1024
        if process.returncode != 0:
            sys.exit(f"{command[0]} {command[1:4]} ended with {process.returncode}: {said.decode()}")


def apart(work, *arguments):
    """What this comes to in a process of its own. The kernel counts what a process had in memory when it started another
    as that one's, too, so this one must stay small."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with os.fdopen(writer, "w") as file:
                json.dump(work(*arguments), file)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as file:
        result = file.read()
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(f"{work.__name__} failed: see above")
    return json.loads(result)


def response(turn):
    """A token response of about 1 kB."""
    return json.dumps({
        "access_token": f"{turn:0>500}", "refresh_token": f"{turn:0>200}", "token_type": "Bearer",
        "expires_in": 172_800_000, "scope": "openid profile email", "resource_server": SERVER,
    }).encode()  # fmt: skip


def token_storage(storage, *arguments, **options):
    return Ran(program, "--storage", storage, *arguments, **options)


def best(count, work):
    """The median of the CPU times; memory is that of the last."""
    ran = [work() for _ in range(count)]
    return statistics.median(each.cpu for each in ran)


def access_token():
    path = folder / "one.db"
    storage = f"sqlite:{path}"
    token_storage(storage, "store", given=response(0))
    select = f"SELECT token_data_json FROM token_storage WHERE resource_server = '{SERVER}'"
    sdk = (
        "from globus_sdk.token_storage import SQLiteTokenStorage as S\n"
        f"print(S({str(path)!r}).get_token_data({SERVER!r}).access_token)"
    )
    rounds = 3 if quick else 41
    ours = best(rounds, lambda: token_storage(storage, "access-token", SERVER))
    shell = best(rounds, lambda: Ran("sqlite3", str(path), select))
    theirs = best(3 if quick else 9, lambda: Ran(python, "-c", sdk))
    what = "`access-token` of a valid token, CPU"
    tell("P15", what, ours / shell, "x", "at most 2x", ours <= 2 * shell, f"the `sqlite3` shell: {shell * 1e3:.1f} ms")
    tell("P15", what, ours / theirs, "x", "at most 0.033x", ours <= theirs / 30, f"globus-sdk: {theirs * 1e3:.0f} ms")


def listing():
    count = 10_000 if quick else 1_000_000
    path = folder / "many.db"
    storage = f"sqlite:{path}"
    token_storage(storage, "store", given=response(0))
    apart(fill_database, path, count)
    listed = token_storage(storage, "list", "--long")
    shell = Ran("sqlite3", str(path), "SELECT * FROM token_storage")
    what = f"`list --long` of {count:,} records"
    goal, mebibytes = "at most 64 MiB", listed.memory / MEBIBYTE
    tell("P16", f"{what}, memory", mebibytes, " MiB", goal, mebibytes <= 64, "")
    beside = f"the `sqlite3` shell printing the rows: {shell.cpu:.2f} s"
    tell("P16", f"{what}, CPU", listed.cpu / shell.cpu, "x", "at most 3x", listed.cpu <= 3 * shell.cpu, beside)
    member = "token_data_json ->> '$.{}'".format
    shown = ", ".join(map(member, ("scope", "expires_at_seconds", "refresh_token", "token_storage_issued_by")))
    order = "WHERE namespace = 'DEFAULT' ORDER BY resource_server"
    found = Ran("sqlite3", str(path), f"SELECT resource_server, {shown} FROM token_storage {order}").cpu
    floor = "- a floor: the shell finding what is shown of each in the order of the keys"
    verdict = "would meet it" if found <= 3 * shell.cpu else "would not meet it"
    print(f"goal | P16 | {floor} | {found / shell.cpu:.3g}x | at most 3x | {beside} | {verdict}", flush=True)
    mebibytes = token_storage(storage, "doctor").memory / MEBIBYTE
    tell("P16", f"`doctor` of {count:,} records, memory", mebibytes, " MiB", goal, mebibytes <= 64, "")
    for file in folder.glob("many.db*"):
        file.unlink()


def fill_database(path, count):
    with sqlite3.connect(path) as connection:
        (text,) = connection.execute("SELECT token_data_json FROM token_storage").fetchone()
        names = (f"resource-server-{n}.example.org" for n in range(1, count))
        rows = ((name, text.replace(SERVER, name)) for name in names)
        connection.executemany("INSERT INTO token_storage VALUES ('DEFAULT', ?, ?)", rows)
    connection.close()


def large_file():
    count = 1000 if quick else 100_000
    path = folder / "large.json"
    storage = f"json:{path}"
    token_storage(storage, "store", given=response(0))
    apart(fill_file, path, count)
    size = path.stat().st_size
    rounds = 3 if quick else 7
    name = f"resource-server-{count - 1}.example.org"
    pairs = [(token_storage(storage, "get", name), apart(read_and_scan, path, name)) for _ in range(rounds)]
    ratio = statistics.median(ours.seconds / floor for ours, floor in pairs)
    beside = f"reading and scanning it once: {statistics.median(floor for _, floor in pairs) * 1e3:.0f} ms"
    what = f"a JSON file of {count:,} records, {size / 1e6:.0f} MB"
    tell("P17", f"{what}, `get`", ratio, "x", "at most 2x", ratio <= 2, beside)
    memory = max(ours.memory for ours, _ in pairs) / size
    tell("P17", f"{what}, memory of `get`", memory, "x", "at most 2x", memory <= 2, "the file")
    pairs = [(token_storage(storage, "store", given=response(turn)), apart(rewrite, path, turn)) for turn in range(1, rounds)]
    ratio = statistics.median(ours.seconds / floor for ours, floor in pairs)
    beside = f"reading, splicing and writing it once with fsync: {statistics.median(f for _, f in pairs) * 1e3:.0f} ms"
    tell("P17", f"{what}, `store`", ratio, "x", "at most 2x", ratio <= 2, beside)
    memory = max(ours.memory for ours, _ in pairs) / size
    tell("P17", f"{what}, memory of `store`", memory, "x", "at most 2x", memory <= 2, "the file")
    path.unlink()


def fill_file(path, count):
    document = json.loads(path.read_text())
    records = document["data"]["DEFAULT"]
    one = json.dumps(records[SERVER])
    for n in range(1, count):
        name = f"resource-server-{n}.example.org"
        records[name] = json.loads(one.replace(SERVER, name))
    path.write_text(json.dumps(document))


def read_and_scan(path, name):
    """Every byte is looked at once, by code that is as fast as memory; the record is the last one."""
    started = time.perf_counter()
    data = path.read_bytes()
    assert data.count(b'"') > 0 and data.find(f'"{name}"'.encode()) > 0
    return time.perf_counter() - started


def rewrite(path, turn):
    copy = path.with_suffix(".copy")
    started = time.perf_counter()
    data = path.read_bytes()
    at = data.index(b'"access_token"') + 20
    with open(copy, "wb") as file:
        for part in (data[:at], f"{turn:0>100}".encode(), data[at + 100 :]):
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    took = time.perf_counter() - started
    copy.unlink()
    return took


def crowd():
    for kind in ("json", "sqlite"):
        for count in (64, 128, 256):
            count = count // 8 if quick else count
            storage = f"{kind}:{folder / f'crowd-{count}.{kind}'}"
            token_storage(storage, "store", given=response(0))
            command = [program, "--storage", storage, "--namespace"]
            started = time.perf_counter()
            processes = [
                subprocess.Popen([*command, f"n{n}", "store"], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                for n in range(count)
            ]  # fmt: skip
            for n, process in enumerate(processes):
                process.stdin.write(response(n))
                process.stdin.close()
            said = [process.stderr.read().decode() for process in processes]
            failed = sum(process.wait() != 0 for process in processes)
            took = time.perf_counter() - started
            if failed:
                print("; ".join(sorted(set(said))), file=sys.stderr)
            what = f"{count} commands that store into one {kind} file at once: failed"
            tell("P18", what, failed, "", "at most 0", failed == 0, f"all had ended after {took:.1f} s")


class TokenEndpoint(http.server.BaseHTTPRequestHandler):
    """An authorization server on loopback that takes 0.2 s for a refresh and rotates refresh tokens."""

    asked = 0

    def do_POST(self):
        TokenEndpoint.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.2)
        body = response(TokenEndpoint.asked)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def stampede():
    count = 4 if quick else 16
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), TokenEndpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = ["--token-endpoint", f"http://127.0.0.1:{server.server_port}/token", "--client-id", "bench"]
    expired = response(0).replace(b"172800000", b"0")
    for kind in ("json", "sqlite"):
        storage = f"{kind}:{folder / f'stampede.{kind}'}"

        def expiry(commands):
            token_storage(storage, "store", given=expired)
            before, started = TokenEndpoint.asked, time.perf_counter()
            command = [program, "--storage", storage, "access-token", SERVER, *at]
            processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(commands)]
            failed = sum(process.wait() != 0 for process in processes)
            took = time.perf_counter() - started
            if failed or TokenEndpoint.asked != before + 1:
                sys.exit(f"{failed} of {commands} commands failed, with {TokenEndpoint.asked - before} refreshes")
            return took

        rounds = 1 if quick else 9
        pairs = [(expiry(count), expiry(1)) for _ in range(rounds)]
        alone = statistics.median(alone for _, alone in pairs)
        more = statistics.median(last - 1.5 * alone for last, alone in pairs) * 1e3
        what = f"{count} commands on one expiry in {kind}, the last one less 1.5 times a refresh alone"
        tell("P14", what, more, " ms", "at most 50 ms", more <= 50, f"a refresh alone: {alone * 1e3:.0f} ms")
    server.shutdown()


access_token()
large_file()
listing()
crowd()
stampede()
