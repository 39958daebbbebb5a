"""drive-huskarl.py PROGRAM STRICT-SERVER...: a login by `examples/huskarl-login` at a server that insists on PAR, DPoP and a
client that signs; then twelve of its processes at each of two expiries, refusal and logout. Everything is on loopback."""

import json
import os
import subprocess
import sys
import tempfile

from common import agree, ask, walk

PROGRAM, SERVER, PUBLIC, PRIVATE = sys.argv[1], sys.argv[2:-2], sys.argv[-2], sys.argv[-1]


class Check:
    def __init__(self, issuer, folder):
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

    def expire(self):
        with open(self.file) as file:
            records = json.load(file)
        walk(records, lambda one: one.update(expires_at_seconds=1))
        with open(self.file, "w") as file:
            json.dump(records, file)

    def counts(self):
        return json.loads(ask(f"{self.issuer}/_test/counts")[1])


def check(issuer, folder):
    it = Check(issuer, folder)
    it.log_in()
    assert it.counts()["pushed"] == 1, "the request was pushed"
    assert json.loads(it.run("call", f"{issuer}/me")[0])["sub"] == "ada"
    assert it.counts()["refreshes"] == 0, "a good token costs no request"
    for round in (1, 2):
        it.expire()
        calls = [it.call() for _ in range(12)]
        answers = [each.communicate() for each in calls]
        assert all(each.returncode == 0 for each in calls), f"every process is served: {answers}"
        assert all(json.loads(out)["sub"] == "ada" for out, _ in answers)
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
    with tempfile.TemporaryDirectory() as folder:
        counts = check(server.stdout.readline().strip(), folder)
    print(f"2 logins by PAR ({counts['pushed']} pushed), 2 x 12 processes with one request each, {counts['proofs']} proofs, "
          "refusal, logout")
finally:
    server.stdin.close()
    server.wait()
