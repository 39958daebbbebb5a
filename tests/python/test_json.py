"""JSON files between this project and the real SDK, in both directions and in turn."""

import json
import os
import stat
import tempfile
import unittest

import globus_sdk
from driver import AWKWARD, READABLE, UNREADABLE, Response, Rust, StorageError, legacy, new, token


class JsonInterchange(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.path = os.path.join(self.directory, "tokens.json")
        self.url = "json:" + self.path

    def python(self, namespace="DEFAULT"):
        return new.JSONTokenStorage(self.path, namespace=namespace)

    def document(self):
        with open(self.path, encoding="utf-8") as file:
            return json.load(file)

    def test_python_reads_what_rust_wrote(self):
        with Rust(self.url) as rust:
            for namespace in AWKWARD:
                for name in AWKWARD:
                    rust.store(namespace, name, access_token=f"at {namespace[:9]} {name[:9]}", expires_at=7)
        for namespace in AWKWARD:
            found = self.python(namespace).get_token_data_by_resource_server()
            self.assertEqual(set(found), set(AWKWARD))
            for name, data in found.items():
                self.assertEqual(data.access_token, f"at {namespace[:9]} {name[:9]}")
                self.assertEqual(data.resource_server, name)
                self.assertEqual(data.expires_at_seconds, 7)

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
        mark = everything.extra.pop("token-storage.mark")
        self.assertRegex(mark, "^[0-9a-f]{32}$")
        self.assertEqual(everything.extra, extra)
        least = self.python().get_token_data("least")
        self.assertEqual(least.expires_at_seconds, 0, "unknown reads as 0, an integer is required")
        self.assertEqual(least.extra["token-storage.expiry"], "unknown")
        self.assertIsNone(least.refresh_token)
        self.assertIsNone(least.token_type)
        self.assertEqual(self.document()["format_version"], "2.0")
        self.assertIsInstance(self.document()["globus-sdk.version"], str)

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

    def test_values_that_only_python_writes(self):
        self.python().store_token_data_by_resource_server({
            "huge": token("huge", expires_at_seconds=10**30),
            "true": token("true", expires_at_seconds=True),
            "min": token("min", expires_at_seconds=-(2**63)),
            "surrogate": token("surrogate", access_token="\ud800"),
            "key \ud800": token("rs"),
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
            listed = rust("keys", namespace="DEFAULT")
            self.assertEqual(listed["keys"], ["huge", "min", "sound", "surrogate", "true"])
            self.assertEqual(listed["unnameable"], 1)
            rust.store("DEFAULT", "new")
        found = self.python().get_token_data_by_resource_server()
        self.assertEqual(found["huge"].expires_at_seconds, 10**30)
        self.assertEqual(found["surrogate"].access_token, "\ud800")
        self.assertEqual(found["key \ud800"].resource_server, "rs")

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
            # In a file it so writes all of them anew.
            self.python().store_token_data_by_resource_server({"theirs": token("theirs")})
            after = [rust.get("DEFAULT", f"ours {number}") for number in range(len(READABLE))]
            self.assertEqual([found["revision"] for found in after], [found["revision"] for found in before])

    def test_values_that_are_not_json(self):
        self.python().store_token_data_by_resource_server({"theirs": token("theirs")})
        document = self.document()
        document["note"] = float("nan")
        document["data"]["DEFAULT"]["infinite"] = {
            **document["data"]["DEFAULT"]["theirs"], "expires_at_seconds": float("inf")}
        document["data"]["DEFAULT"]["theirs"]["odd"] = [float("inf"), -float("inf")]
        document["data"]["DEFAULT"]["nan"] = {**document["data"]["DEFAULT"]["theirs"], "odd": float("nan")}
        document["data"]["odd"] = float("nan")
        with open(self.path, "w") as file:
            json.dump(document, file)
        with Rust(self.url) as rust:
            for name in ["infinite", "nan"]:
                with self.assertRaises(StorageError) as raised:
                    rust.get("DEFAULT", name)
                self.assertEqual(raised.exception.kind, "Corrupt")
            self.assertEqual(rust.get("DEFAULT", "theirs")["access_token"], "at")
            rust.store("DEFAULT", "ours")
            del document["data"]["odd"]
            after = self.document()
            self.assertNotEqual(after["data"].pop("odd"), 0)
            ours = after["data"]["DEFAULT"].pop("ours")
            self.assertEqual(repr(after), repr(document))
            self.assertEqual(ours["access_token"], "at")
            # The SDK gives up at a namespace that is no object and at an expiry that is none; without, it reads the rest.
            del after["data"]["DEFAULT"]["infinite"]
            after["data"]["DEFAULT"]["ours"] = ours
            with open(self.path, "w") as file:
                json.dump(after, file)
            found = self.python().get_token_data_by_resource_server()
            self.assertEqual(set(found), {"nan", "ours", "theirs"})
            self.assertEqual(rust.remove("DEFAULT", "nan"), True)
        self.assertEqual(sorted(os.listdir(self.directory)), ["tokens.json", "tokens.json.lock"], "nothing kept aside")

    def test_an_empty_file(self):
        open(self.path, "w").close()
        with Rust(self.url) as rust:
            rust.store("DEFAULT", "ours")
        self.assertEqual(set(self.python().get_token_data_by_resource_server()), {"ours"})
        self.assertEqual(sorted(os.listdir(self.directory)), ["tokens.json", "tokens.json.lock"])

    def test_alternating_on_one_file(self):
        python = self.python()
        with Rust(self.url) as rust, Rust(self.url) as other:
            for turn in range(100):
                rust.store("DEFAULT", "ours", f"rust {turn:4}")
                self.assertEqual(python.get_token_data("ours").access_token, f"rust {turn:4}")
                # In place and of the same length: only the stamps and the bytes tell.
                python.store_token_data_by_resource_server({"theirs": token("theirs", f"python {turn:4}")})
                for handle in (rust, other):
                    self.assertEqual(handle.get("DEFAULT", "theirs")["access_token"], f"python {turn:4}")
                    self.assertEqual(handle.get("DEFAULT", "ours")["access_token"], f"rust {turn:4}")
            self.assertTrue(python.remove_token_data("ours"))
            self.assertIsNone(rust.get("DEFAULT", "ours"))
            self.assertTrue(rust.remove("DEFAULT", "theirs"))
            self.assertFalse(rust.remove("DEFAULT", "theirs"))
        self.assertEqual(python.get_token_data_by_resource_server(), {})

    def test_a_revision_survives_that_python_rewrites_the_file(self):
        with Rust(self.url) as rust:
            rust.store("é", "ours", "ünï😀", extra={"x": [1e2, "é"]})
            before = rust.get("é", "ours")
            self.python().store_token_data_by_resource_server({"theirs": token("theirs")})
            self.assertEqual(rust.get("é", "ours"), before)
            self.python("é").store_token_data_by_resource_server({"ours": token("ours", "ünï😀")})
            self.assertNotEqual(rust.get("é", "ours")["revision"], before["revision"])

    def test_unknown_members_survive_rust(self):
        self.python().store_token_data_by_resource_server({"theirs": token("theirs")})
        document = self.document()
        document["note"] = {"by": "hand"}
        document["data"]["DEFAULT"]["theirs"]["more"] = [1, 2]
        with open(self.path, "w") as file:
            json.dump(document, file, indent=4)
        with Rust(self.url) as rust:
            rust.store("DEFAULT", "ours")
        after = self.document()
        self.assertEqual(after["note"], {"by": "hand"})
        self.assertEqual(after["data"]["DEFAULT"]["theirs"], document["data"]["DEFAULT"]["theirs"])
        self.assertEqual(after["globus-sdk.version"], globus_sdk.__version__)

    def test_a_legacy_file_is_read_and_upgraded_with_a_copy(self):
        legacy.SimpleJSONFileAdapter(self.path).store(Response("a", "ü"))
        with Rust(self.url) as rust:
            self.assertEqual(rust.get("DEFAULT", "ü")["access_token"], "at")
            self.assertEqual(self.document()["format_version"], "1.0", "reading changes nothing")
            rust.store("DEFAULT", "new", "new")
        self.assertEqual(self.document()["format_version"], "2.0")
        found = self.python().get_token_data_by_resource_server()
        self.assertEqual(set(found), {"a", "ü", "new"})
        copy = self.path + ".original-1.0"
        self.assertEqual(stat.S_IMODE(os.stat(copy).st_mode), 0o600)
        self.assertEqual(set(legacy.SimpleJSONFileAdapter(copy).get_by_resource_server()), {"a", "ü"})

    def test_a_damaged_file_blocks_python_but_not_a_login_through_rust(self):
        with open(self.path, "w") as file:
            file.write('{"data": {"DEFAULT": {')
        with self.assertRaises(ValueError):
            self.python().get_token_data("a")
        with Rust(self.url) as rust:
            with self.assertRaises(StorageError) as raised:
                rust.get("DEFAULT", "a")
            self.assertEqual(raised.exception.kind, "Corrupt")
            rust.store("DEFAULT", "a", "new")
        self.assertEqual(self.python().get_token_data("a").access_token, "new")
        kept = [name for name in os.listdir(self.directory) if ".damaged-" in name]
        self.assertEqual(len(kept), 1)

    def test_the_file_stays_owner_only_whoever_writes(self):
        with Rust(self.url) as rust:
            rust.store("DEFAULT", "a")
            self.python().store_token_data_by_resource_server({"b": token("b")})
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
            rust.store("DEFAULT", "a")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)


if __name__ == "__main__":
    unittest.main()
