"""drive-huskarl.py PROGRAM STRICT-SERVER...: a login by `examples/huskarl-login` at a server that insists on PAR, DPoP and a
client that signs; then twelve of its processes at each of two expiries, refusal and logout. Everything is on loopback.

The answer to a refresh is held until every process has either sent one or says that it waits for another's: so they overlap,
and without the lease each of them would have sent its own."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading

from common import agree, ask, walk

PROCESSES = 12
PROGRAM, SERVER, PUBLIC, PRIVATE = sys.argv[1], sys.argv[2:-2], sys.argv[-2], sys.argv[-1]


def lines(stream, told, name=None):
    """Puts each line of a stream into the queue, and at its end nothing."""

    def read():
        for line in stream:
            told.put((name, line.strip()))
        told.put((name, ""))

    threading.Thread(target=read, daemon=True).start()


class Check:
    def __init__(self, issuer, folder, told):
        self.told = told
        self.issuer, self.file = issuer, os.path.join(folder, "tokens.json")
        self.rest = [issuer, PRIVATE, f"json:{self.file}"]
        self.env = os.environ | {"NO_PROXY": "127.0.0.1"}

    def start(self, what, *more):
        pipe = subprocess.PIPE
        return subprocess.Popen([PROGRAM, what, *self.rest, *more], env=self.env, stdout=pipe, stderr=pipe, text=True)

    def run(self, what, *more, ends=0):
        process = self.start(what, *more)
        out, err = process.communicate()
        assert (process.returncode == 0) == (ends == 0), f"{what}: {process.returncode}: {out}{err}"
        return out.strip(), err

    def log_in(self):
        process = self.start("login")
        address = process.stdout.readline().strip()
        assert address.startswith(self.issuer), f"no address to visit: {address}{process.stderr.read()}"
        assert "request_uri=" in address and "code_challenge" not in address, f"not pushed: {address}"
        ask(agree(address))
        out, err = process.communicate()
        assert process.returncode == 0 and "stored" in out, f"login: {out}{err}"

    def call(self):
        return self.start("call", f"{self.issuer}/me")

    def calls(self):
        """Many at once, in the middle of a refresh; what they print, and what went wrong."""
        assert ask(f"{self.issuer}/_test/hold", {"x": "x"})[0] == 200
        calls = [self.call() for _ in range(PROCESSES)]
        for each in calls:
            lines(each.stderr, self.told, each.pid)
        now = {each.pid for each in calls}
        errors, settled, held = [], set(), 0
        while len(settled) + held < PROCESSES:
            name, line = self.told.get()
            if name is None:
                # The server has notices of its own.
                assert line != "", "the server has ended"
                held += line == "held"
            elif name in now:
                # One that ended is not waited for.
                settled.add(name)
                errors += [] if line in ("", "waiting") else [line]
        assert ask(f"{self.issuer}/_test/release", {"x": "x"})[0] == 200
        answers = [each.stdout.read() for each in calls]
        assert all(each.wait() == 0 for each in calls), f"every process is served: {answers} {errors}, {held} sent"
        assert held == 1 and len(settled) == PROCESSES - 1, f"{held} sent a refresh, {len(settled)} waited"
        return answers

    def expire(self):
        with open(self.file) as file:
            records = json.load(file)
        walk(records, lambda one: one.update(expires_at_seconds=1))
        with open(self.file, "w") as file:
            json.dump(records, file)

    def counts(self):
        return json.loads(ask(f"{self.issuer}/_test/counts")[1])


def check(issuer, folder, told):
    it = Check(issuer, folder, told)
    it.log_in()
    assert it.counts()["pushed"] == 1, "the request was pushed"
    assert json.loads(it.run("call", f"{issuer}/me")[0])["sub"] == "ada"
    assert it.counts()["refreshes"] == 0, "a good token costs no request"
    for round in (1, 2):
        it.expire()
        assert all(json.loads(out)["sub"] == "ada" for out in it.calls())
        assert it.counts()["refreshes"] == round, f"{it.counts()} for {round} expiries"
    it.expire()
    assert ask(f"{issuer}/_test/revoke", {"x": "x"})[0] == 200
    said = it.run("call", f"{issuer}/me", ends=1)[1]
    assert "log in again" in said, said
    it.log_in()
    it.run("logout")
    it.run("call", f"{issuer}/me", ends=1)
    return it.counts()


server = subprocess.Popen([*SERVER, PUBLIC], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
try:
    issuer, told = server.stdout.readline().strip(), queue.Queue()
    lines(server.stdout, told)
    with tempfile.TemporaryDirectory() as folder:
        counts = check(issuer, folder, told)
    print(f"2 logins by PAR ({counts['pushed']} pushed), 2 x {PROCESSES} processes with one request each while all of them "
          f"wanted one, {counts['proofs']} proofs, refusal, logout")
finally:
    server.stdin.close()
    server.wait()
