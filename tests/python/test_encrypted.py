"""What the real SDK makes of an encrypted storage, and the reverse: it reads records whose tokens are sealed, keeps those that it
does not store, and what it stores is refused until it is allowed or encrypted."""

import json
import os
import subprocess
import tempfile
import unittest

from driver import new, token

COMMAND = os.environ["TOKEN_STORAGE_COMMAND"]
SEALED = "token-storage-sealed:1:"


class Encrypted(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.key = os.path.join(self.directory, "key")
        self.run_command("key", "generate", self.key)

    def run_command(self, *arguments, url="memory:", text=""):
        environment = {**os.environ, "TOKEN_STORAGE_KEY_FROM": "file:" + self.key, "TOKEN_STORAGE_URL": url}
        return subprocess.run([COMMAND, *arguments], input=text.encode(), capture_output=True, timeout=60, env=environment)

    def storages(self):
        for scheme, storage in [("json", new.JSONTokenStorage), ("sqlite", new.SQLiteTokenStorage)]:
            path = os.path.join(self.directory, "tokens." + scheme)
            yield f"encrypted+{scheme}:{path}", storage(path)

    def stored(self, url, name):
        response = '{"access_token": "at", "refresh_token": "rt", "scope": "s", "expires_in": 60, "resource_server": "%s"}' % name
        ran = self.run_command("store", url=url, text=response)
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def access_token(self, url, name, *more):
        ran = self.run_command("get", name, "--reveal", "--json", *more, url=url)
        return ran.returncode, json.loads(ran.stdout)["access_token"] if ran.returncode == 0 else ""

    def test_python_reads_the_record_and_no_token(self):
        for url, python in self.storages():
            self.stored(url, "ours")
            found = python.get_token_data("ours")
            self.assertEqual((found.resource_server, found.scope), ("ours", "s"))
            self.assertGreater(found.expires_at_seconds, 0)
            self.assertTrue(found.access_token.startswith(SEALED))
            self.assertTrue(found.refresh_token.startswith(SEALED))
            self.assertTrue(found.extra["token_storage_sealed"].startswith(SEALED))

    def test_what_python_stores_is_refused_until_it_is_encrypted(self):
        for url, python in self.storages():
            self.stored(url, "ours")
            python.store_token_data_by_resource_server({"theirs": token("theirs", "plain")})
            self.assertEqual(self.access_token(url, "ours"), (0, "at"), "a neighbour is left as it is")
            self.assertEqual(self.access_token(url, "theirs"), (2, ""))
            self.assertEqual(self.access_token(url, "theirs", "--allow-plaintext"), (0, "plain"))
            ran = self.run_command("encrypt", url=url)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertEqual(self.access_token(url, "theirs"), (0, "plain"))
            self.assertTrue(python.get_token_data("theirs").access_token.startswith(SEALED))

    def test_a_sealed_record_that_python_stored_again_is_damaged(self):
        for url, python in self.storages():
            self.stored(url, "ours")
            python.store_token_data_by_resource_server({"ours": python.get_token_data("ours")})
            ran = self.run_command("get", "ours", url=url)
            self.assertEqual(ran.returncode, 5, ran.stderr)
            self.assertIn(b"another program changed it", ran.stderr)


if __name__ == "__main__":
    unittest.main()
