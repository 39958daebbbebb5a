"""drive.py COMMAND SERVER...: logs in, refreshes, is refused and logs out at a server that nobody here wrote, with the
command `token-storage`. Everything is on loopback."""

import json
import os
import re
import subprocess
import sys
import tempfile

from common import REDIRECT, agree, ask, walk

COMMAND, SERVER = sys.argv[1], sys.argv[2:]


class Check:
    def __init__(self, issuer, folder):
        self.issuer, self.file = issuer, os.path.join(folder, "tokens.json")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("TOKEN_STORAGE_", "GLOBUS_"))}
        self.env |= {"TOKEN_STORAGE_URL": f"json:{self.file}", "NO_PROXY": "127.0.0.1", "HOME": folder}

    def start(self, *arguments):
        pipe = subprocess.PIPE
        return subprocess.Popen([COMMAND, *arguments], env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments, ends=0):
        process = self.start(*arguments)
        out, err = process.communicate()
        assert process.returncode == ends, f"{arguments}: {process.returncode}, not {ends}: {err}"
        return out.strip()

    def log_in(self):
        process = self.start(
            "login", "--no-browser", "--issuer", self.issuer, "--client-id", "native", "--redirect-uri", REDIRECT,
            "--scope", "openid offline_access", "--resource-server", "api",
        )
        seen = ""
        for line in process.stderr:
            seen += line
            address = re.search(re.escape(self.issuer) + r"\S+", line)
            if address:
                break
        else:
            raise SystemExit(f"no address to visit: {seen}")
        out, err = process.communicate(agree(address[0]) + "\n")
        assert process.returncode == 0, f"login: {process.returncode}: {seen}{err}"

    def records(self):
        with open(self.file) as file:
            return json.load(file)

    def expire(self):
        records = self.records()
        walk(records, lambda one: one.update(expires_at_seconds=1))
        with open(self.file, "w") as file:
            json.dump(records, file)

    def refresh_token(self):
        found = []
        walk(self.records(), lambda one: found.append(one["refresh_token"]))
        assert len(found) == 1 and found[0], "there is one refresh token"
        return found[0]

    def refreshes(self):
        return int(ask(f"{self.issuer}/_test/refreshes")[1])


def check(issuer, folder):
    it = Check(issuer, folder)
    it.log_in()
    first = it.run("access-token", "api")
    assert first and it.refreshes() == 0, "a good token costs no request"
    for round in (1, 2):
        before = it.refresh_token()
        it.expire()
        stampede = [it.start("access-token", "api") for _ in range(12)]
        tokens = {each.communicate()[0].strip() for each in stampede}
        assert all(each.returncode == 0 for each in stampede), "every command gets a token"
        assert len(tokens) == 1 and first not in tokens, "all get the same, a new one"
        assert it.refreshes() == round, f"{it.refreshes()} token requests for {round} expiries"
        assert it.refresh_token() != before, "the refresh token is rotated"
    it.expire()
    assert ask(f"{issuer}/_test/revoke", {"x": "x"})[0] == 200
    it.run("access-token", "api", ends=4)
    it.log_in()
    last = it.refresh_token()
    it.run("logout", "api")
    it.run("access-token", "api", ends=3)
    form = {"grant_type": "refresh_token", "client_id": "native", "refresh_token": last}
    endpoint = json.loads(ask(f"{issuer}/.well-known/{METADATA}")[1])["token_endpoint"]
    assert 400 <= ask(endpoint, form)[0] < 500, "logging out revokes at the server"


METADATA = "openid-configuration" if "oidc" in " ".join(SERVER) else "oauth-authorization-server"
server = subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
try:
    with tempfile.TemporaryDirectory() as folder:
        check(server.stdout.readline().strip(), folder)
    print("login, 2 x 12 commands with one request each, refusal, logout")
finally:
    server.stdin.close()
    server.wait()
