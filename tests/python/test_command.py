"""What the command `store` is given, odd as it may be: refused aloud with nothing made, or read by the real SDK as it was."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from driver import READABLE, UNREADABLE, new, token

COMMAND = os.environ["TOKEN_STORAGE_COMMAND"]

MEMBERS = ["odd", "expires_in", "scope", "refresh_token", "token_type", "resource_server", "access_token",
           "identity_id", "id_token", "token_storage_issuer"]
VALUES = [
    *UNREADABLE, *READABLE,
    "Infinity", "-Infinity", "NaN", '[1, {"a": Infinity}]', "01", "[1,]", '"a\nb"', '"unfinished', "[" * 100_000 + "]" * 100_000,
    "9" * 20, "1e" + "9" * 50, "9" * 5000 + ".5", "1.0", "-0", "true", "null", '""', "{}", "[]",
    '"a\\u0000b"', '"\\ud83d\\ude00"', '"\\udc00x"', '"\x7f\u2028"', '{"\\ud800": 1}', '{"x": {"a": 1, "a": [2]}}',
]
WHOLE = [
    '{"access_token": "a", "access_token": "b", "resource_server": "rs"}',
    '{"access_token": "a", "odd": 1, "o\\u0064d": 2, "resource_server": "rs"}',
    '{"access_token": "a", "odd": 1, "odd": 1, "resource_server": "rs"}',
    '{"access_token": "a", "\\ud800": 1, "resource_server": "rs"}',
    '\ufeff{"access_token": "a", "resource_server": "rs"}',
    '{"access_token": "a", "resource_server": "rs"} {}',
    '{"access_token": "a", "resource_server": "rs", "' + "n" * 100_000 + '": 1}',
]


def response(member, value):
    members = {"access_token": '"at"', "resource_server": '"rs"', "scope": '"s"', "expires_in": "3600", member: value}
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in members.items()) + "}"


def run(url, *arguments, text=""):
    command = [COMMAND, "--storage", url, *arguments]
    return subprocess.run(command, input=text.encode(), capture_output=True, timeout=60)


class Command(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def storages(self, number):
        for scheme, storage in [("json", new.JSONTokenStorage), ("sqlite", new.SQLiteTokenStorage)]:
            yield scheme, os.path.join(self.directory, f"{scheme} {number}"), storage

    def check(self, number, text):
        for scheme, path, storage in self.storages(number):
            ran = run(f"{scheme}:{path}", "store", text=text)
            told = ran.stderr.decode()
            if ran.returncode != 0:
                self.assertEqual(ran.returncode, 2, told)
                self.assertIn("response", told)
                self.assertFalse(os.path.exists(path), told)
                continue
            self.assertEqual(told, "")
            python = storage(path)
            ((name, found),) = python.get_token_data_by_resource_server().items()
            if scheme == "sqlite":
                python.close()
            self.same(json.loads(text), name, found)

    def same(self, given, name, found):
        """What the SDK finds is what Python reads in the text; null and empty are absent, as documented."""
        self.assertEqual(name, given["resource_server"])
        self.assertEqual(found.resource_server, given["resource_server"])
        self.assertEqual(found.access_token, given["access_token"])
        self.assertEqual(found.scope, given.get("scope") or "")
        for member in ["refresh_token", "token_type", "identity_id"]:
            self.assertEqual(getattr(found, member), given.get(member) or None)
        fields = ["access_token", "scope", "refresh_token", "token_type", "identity_id", "resource_server", "expires_in"]
        extra = {member: value for member, value in found.extra.items() if not member.startswith("token-storage.")}
        wanted = {member: value for member, value in given.items() if member not in fields}
        self.assertEqual(repr(sorted(extra.items())), repr(sorted(wanted.items())))

    def test_what_is_stored_is_read_as_it_was_given(self):
        texts = [response(member, value) for member in MEMBERS for value in VALUES] + WHOLE
        for number, text in enumerate(texts):
            with self.subTest(text[:120]):
                self.check(number, text)

    def test_what_contradicts_itself_is_refused(self):
        for number, text in enumerate(WHOLE):
            for scheme, path, _ in self.storages(number):
                ran = run(f"{scheme}:{path}", "store", text=text)
                self.assertEqual(ran.returncode, 0 if "odd\": 1, \"odd\": 1" in text or "nnn" in text else 2, text[:120])

    def test_a_database_that_is_given_back_is_read_where_nothing_can_be_written(self):
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            self.assertNotEqual(os.geteuid(), 0, "root can have a mount namespace")
            self.skipTest("it needs a mount namespace (unshare -m)")
        path = os.path.join(self.directory, "tokens.db")
        python = new.SQLiteTokenStorage(path)
        python.store_token_data_by_resource_server({"theirs": token("theirs", "theirs")})
        python.close()
        ours = run(f"sqlite:{path}", "store", text='{"access_token": "ours", "resource_server": "ours"}')
        self.assertEqual(ours.returncode, 0, ours.stderr)
        self.assertFalse(self.reads_on_a_read_only_mount(path), "with a write-ahead log it cannot, so this can fail")
        given = run(f"sqlite:{path}", "give-back")
        self.assertEqual(given.returncode, 0, given.stderr)
        self.assertTrue(self.reads_on_a_read_only_mount(path))

    def reads_on_a_read_only_mount(self, path):
        read = (
            "import sys; from driver import new; "
            "storage = new.SQLiteTokenStorage(sys.argv[1]); "
            "found = storage.get_token_data_by_resource_server(); storage.close(); "
            "assert {name: data.access_token for name, data in found.items()} == {'theirs': 'theirs', 'ours': 'ours'}"
        )
        script = (
            'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && ! touch "$1/new" 2>/dev/null && '
            'exec "$2" -B -c "$3" "$4"'
        )
        command = ["unshare", "-m", "sh", "-c", script, "sh", self.directory, sys.executable, read, path]
        here = os.path.dirname(os.path.abspath(__file__))
        before = sorted(os.listdir(self.directory))
        ran = subprocess.run(command, cwd=here, capture_output=True, timeout=60)
        self.assertEqual(sorted(os.listdir(self.directory)), before)
        if ran.returncode != 0:
            self.assertIn(b"OperationalError", ran.stderr, ran.stderr.decode())
        return ran.returncode == 0


if __name__ == "__main__":
    unittest.main()
