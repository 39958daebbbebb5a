"""SQLite databases between this project and the real SDK, in both directions and in turn."""

import json
import os
import sqlite3
import stat
import tempfile
import unittest

from driver import AWKWARD, READABLE, UNREADABLE, Response, Rust, StorageError, legacy, new, token


class SqliteInterchange(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.path = os.path.join(self.directory, "tokens.db")
        self.url = "sqlite:" + self.path

    def python(self, namespace="DEFAULT"):
        return self.closing(new.SQLiteTokenStorage(self.path, namespace=namespace))

    def legacy(self, namespace="DEFAULT"):
        return self.closing(legacy.SQLiteAdapter(self.path, namespace=namespace))

    def closing(self, storage):
        self.addCleanup(storage.close)
        return storage

    def ask(self, sql):
        connection = sqlite3.connect(self.path)
        try:
            found = connection.execute(sql).fetchall()
            connection.commit()
            return found
        finally:
            connection.close()

    def test_python_reads_what_rust_wrote(self):
        with Rust(self.url) as rust:
            for namespace in AWKWARD:
                for name in AWKWARD:
                    rust.store(namespace, name, access_token=f"at {namespace[:9]} {name[:9]}", expires_at=7)
        for namespace in AWKWARD:
            for found in (
                self.python(namespace).get_token_data_by_resource_server(),
                self.legacy(namespace).get_by_resource_server(),
            ):
                self.assertEqual(set(found), set(AWKWARD))
                for name, data in found.items():
                    members = data if isinstance(data, dict) else data.to_dict()
                    self.assertEqual(members["access_token"], f"at {namespace[:9]} {name[:9]}")
                    self.assertEqual(members["resource_server"], name)
                    self.assertEqual(members["expires_at_seconds"], 7)
        self.assertEqual(set(self.python().iter_namespaces()), set(AWKWARD))

    def test_every_field_as_python_reads_it(self):
        extra = {"id_token": "jwt", "odd": [1, {"é": None}, 1.5]}
        with Rust(self.url) as rust:
            rust.store("DEFAULT", "all", "at", refresh_token="rt", expires_at=-5, token_type="Bearer",
                       identity_id="id", embedded="other", extra=extra)
            rust.store("DEFAULT", "least", "")
        everything = self.python().get_token_data("all")
        self.assertEqual(everything.resource_server, "other")
        self.assertEqual(everything.refresh_token, "rt")
        self.assertEqual(everything.expires_at_seconds, -5)
        self.assertEqual(everything.token_type, "Bearer")
        self.assertEqual(everything.identity_id, "id")
        self.assertRegex(everything.extra.pop("token-storage.mark"), "^[0-9a-f]{32}$")
        self.assertEqual(everything.extra, extra)
        least = self.python().get_token_data("least")
        self.assertEqual(least.expires_at_seconds, 0, "unknown reads as 0, an integer is required")
        self.assertEqual(least.extra["token-storage.expiry"], "unknown")
        self.assertIsNone(least.refresh_token)
        self.assertIsNone(self.legacy().get_token_data("least").get("token_type"))

    def test_rust_reads_what_python_wrote(self):
        for namespace in AWKWARD:
            records = {name: token(name, f"at {name[:9]}", refresh_token="rt") for name in AWKWARD}
            self.python(namespace).store_token_data_by_resource_server(records)
        with Rust(self.url) as rust:
            for namespace in AWKWARD:
                self.assertEqual(set(rust("keys", namespace=namespace)["keys"]), set(AWKWARD))
                for name in AWKWARD:
                    data = rust.get(namespace, name)
                    self.assertEqual(data["access_token"], f"at {name[:9]}")
                    self.assertEqual(data["refresh_token"], "rt")
                    self.assertEqual(data["expires_at"], 1_795_649_003)
                    self.assertIsNone(data["identity_id"])

    def test_rust_reads_and_keeps_what_the_legacy_adapter_wrote(self):
        adapter = self.legacy("n")
        adapter.store(Response("a", "ü"))
        adapter.store_config("auth_info", {"client": "é", "n": None})
        adapter.close()
        with Rust(self.url) as rust:
            self.assertEqual(rust.get("n", "ü")["access_token"], "at")
            self.assertIsNone(rust.get("n", "ü")["refresh_token"])
            rust.store("n", "new", "new")
            self.assertTrue(rust.remove("n", "a"))
        adapter = self.legacy("n")
        self.assertEqual(set(adapter.get_by_resource_server()), {"ü", "new"})
        self.assertEqual(adapter.read_config("auth_info"), {"client": "é", "n": None})
        version = "SELECT value FROM sdk_storage_adapter_internal WHERE attribute LIKE '%schema_version'"
        self.assertEqual(self.ask(version), [("1",)], "whose database it is stays")
        self.assertEqual(self.python("n").get_token_data("new").access_token, "new")

    def test_values_that_only_python_writes(self):
        self.python().store_token_data_by_resource_server({
            "huge": token("huge", expires_at_seconds=10**30),
            "true": token("true", expires_at_seconds=True),
            "min": token("min", expires_at_seconds=-(2**63)),
            "surrogate": token("surrogate", access_token="\ud800"),
            "sound": token("sound"),
        })
        with Rust(self.url) as rust:
            for name in ["huge", "surrogate"]:
                with self.assertRaises(StorageError) as raised:
                    rust.get("DEFAULT", name)
                self.assertEqual(raised.exception.kind, "Corrupt")
            self.assertEqual(rust.get("DEFAULT", "true")["expires_at"], 1)
            self.assertEqual(rust.get("DEFAULT", "min")["expires_at"], -(2**63))
            self.assertEqual(rust.get("DEFAULT", "sound")["access_token"], "at")
            rust.store("DEFAULT", "new")
        found = self.python().get_token_data_by_resource_server()
        self.assertEqual(found["huge"].expires_at_seconds, 10**30)
        self.assertEqual(found["surrogate"].access_token, "\ud800")

    def test_what_python_could_not_read_is_refused(self):
        with Rust(self.url) as rust:
            for number, value in enumerate(UNREADABLE):
                with self.assertRaises(StorageError) as raised:
                    rust.store("DEFAULT", "ours", raw_extra={f"odd {number}": value})
                self.assertEqual(raised.exception.kind, "InvalidInput")
                self.assertIn(f"odd {number}", str(raised.exception))
            for number, value in enumerate(READABLE):
                rust.store("DEFAULT", f"ours {number}", raw_extra={"odd": value})
            before = [rust.get("DEFAULT", f"ours {number}") for number in range(len(READABLE))]
            found = self.python().get_token_data_by_resource_server()
            self.assertEqual(len(found), len(READABLE))
            for number, value in enumerate(READABLE):
                self.assertEqual(repr(found[f"ours {number}"].extra["odd"]), repr(json.loads(value)))
            self.python().store_token_data_by_resource_server({"theirs": token("theirs")})
            after = [rust.get("DEFAULT", f"ours {number}") for number in range(len(READABLE))]
            self.assertEqual([found["revision"] for found in after], [found["revision"] for found in before])

    def test_alternating_on_one_database(self):
        python, adapter = self.python(), self.legacy()
        with Rust(self.url) as rust, Rust(self.url) as other:
            for turn in range(50):
                rust.store("DEFAULT", "ours", f"rust {turn}")
                self.assertEqual(python.get_token_data("ours").access_token, f"rust {turn}")
                self.assertEqual(adapter.get_token_data("ours")["access_token"], f"rust {turn}")
                python.store_token_data_by_resource_server({"theirs": token("theirs", f"python {turn}")})
                adapter.store(Response("legacy", access_token=f"legacy {turn}"))
                for handle in (rust, other):
                    self.assertEqual(handle.get("DEFAULT", "ours")["access_token"], f"rust {turn}")
                    self.assertEqual(handle.get("DEFAULT", "theirs")["access_token"], f"python {turn}")
                    self.assertEqual(handle.get("DEFAULT", "legacy")["access_token"], f"legacy {turn}")
            self.assertTrue(python.remove_token_data("ours"))
            self.assertIsNone(rust.get("DEFAULT", "ours"))
            self.assertTrue(rust.remove("DEFAULT", "theirs"))
            self.assertFalse(rust.remove("DEFAULT", "theirs"))
        self.assertEqual(set(python.get_token_data_by_resource_server()), {"legacy"})

    def test_the_write_ahead_log_persists_and_python_keeps_it(self):
        self.python().store_token_data_by_resource_server({"theirs": token("theirs")})
        self.assertEqual(self.ask("PRAGMA journal_mode"), [("delete",)])
        with Rust(self.url) as rust:
            self.assertEqual(rust.get("DEFAULT", "theirs")["access_token"], "at")
            self.assertEqual(self.ask("PRAGMA journal_mode"), [("delete",)], "reading changes nothing")
            rust.store("DEFAULT", "ours")
            self.assertEqual(self.ask("PRAGMA journal_mode"), [("wal",)])
        self.python().store_token_data_by_resource_server({"theirs": token("theirs", "again")})
        self.assertEqual(self.ask("PRAGMA journal_mode"), [("wal",)])
        self.assertEqual(self.ask("PRAGMA integrity_check"), [("ok",)])

    def test_a_revision_sees_python_and_survives_its_neighbours(self):
        with Rust(self.url) as rust:
            rust.store("é", "ours", "ünï😀", extra={"x": [1e2, "é"]})
            before = rust.get("é", "ours")
            self.python("é").store_token_data_by_resource_server({"theirs": token("theirs")})
            self.assertEqual(rust.get("é", "ours"), before)
            again = json.dumps(json.loads(self.ask("SELECT token_data_json FROM token_storage WHERE namespace = 'é'")[0][0]))
            connection = sqlite3.connect(self.path)
            connection.execute("UPDATE token_storage SET token_data_json = ? WHERE resource_server = 'ours'", [again])
            connection.commit()
            connection.close()
            self.assertEqual(rust.get("é", "ours")["revision"], before["revision"], "encoded anew, but the same")
            self.python("é").store_token_data_by_resource_server({"ours": token("ours", "ünï😀")})
            self.assertNotEqual(rust.get("é", "ours")["revision"], before["revision"])

    def test_modes(self):
        with Rust(self.url) as rust:
            rust.store("DEFAULT", "rs")
            for suffix in ("", "-wal", "-shm", ".lock"):
                mode = stat.S_IMODE(os.stat(self.path + suffix).st_mode)
                self.assertEqual(mode, 0o600, suffix)

    def test_a_writer_that_holds_the_database_is_waited_for(self):
        with Rust(self.url) as rust:
            rust.store("DEFAULT", "rs", "first")
            connection = sqlite3.connect(self.path)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE token_storage SET resource_server = 'moved'")
            self.assertEqual(rust.get("DEFAULT", "rs")["access_token"], "first", "not committed yet")
            connection.commit()
            connection.close()
            self.assertIsNone(rust.get("DEFAULT", "rs"))
            self.assertEqual(rust.get("DEFAULT", "moved")["access_token"], "first")
            rust.store("DEFAULT", "rs", "second")
        self.assertEqual(set(self.python().get_token_data_by_resource_server()), {"rs", "moved"})


if __name__ == "__main__":
    unittest.main()
