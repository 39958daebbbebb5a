"""Items go both ways between the documentation's example, in Python with boto3, and the Rust storage.

Started by .ci/checks/31-dynamodb-boto3.sh, which says where emulator and driver are.
"""

import json
import os
import subprocess
import unittest
import uuid

from example_adapter import DynamoDBTokenStorage
from globus_sdk.token_storage import TokenStorageData

ENDPOINT = os.environ["TOKEN_STORAGE_DYNAMODB_ENDPOINT"]
DRIVER = os.environ["TOKEN_STORAGE_DRIVER"]
RS = "groups.api.globus.org"


class Rust:
    """The Rust storage, in a process of its own."""

    def __init__(self, table: str) -> None:
        url = f"dynamodb:{table}?region=eu-central-1&endpoint={ENDPOINT}"
        environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(
            [DRIVER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, *command: str):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if isinstance(answer, dict):
            raise AssertionError(answer["error"])
        return answer

    def get(self, namespace: str = "DEFAULT", resource_server: str = RS):
        found = self.ask("get", namespace, resource_server)
        if found is None:
            return None, None
        record = json.loads(found[0])
        record.pop("token-storage.mark")
        return record, found[1]

    def store(self, record: dict, revision: str = "any", namespace: str = "DEFAULT"):
        return self.ask("store", namespace, RS, json.dumps(record), revision)


def data(access_token: str, refresh_token: str | None = "rt") -> TokenStorageData:
    return TokenStorageData(
        resource_server=RS,
        identity_id=None,
        scope="view_my_groups",
        access_token=access_token,
        refresh_token=refresh_token,
        expires_at_seconds=1795649003,
        token_type="Bearer",
    )


def record(access_token: str, **more) -> dict:
    return {
        "resource_server": RS,
        "scope": "view_my_groups",
        "access_token": access_token,
        "refresh_token": "rt",
        "expires_at_seconds": 1795649003,
        **more,
    }


class Interchange(unittest.TestCase):
    def setUp(self) -> None:
        table = f"example-globus-tokenstorage-{uuid.uuid4()}"
        self.python = DynamoDBTokenStorage(ENDPOINT, table)
        self.python.create_table()
        self.rust = Rust(table)
        self.addCleanup(self.rust.close)
        self.addCleanup(self.python.client.delete_table, TableName=table)

    def store(self, token: TokenStorageData) -> None:
        self.python.store_token_data_by_resource_server({RS: token})

    def test_rust_reads_what_python_wrote(self) -> None:
        self.store(data("python"))
        self.assertEqual(self.rust.get()[0], record("python"))
        self.store(data("python", refresh_token=None))
        self.assertNotIn("refresh_token", self.rust.get()[0])

    def test_python_reads_what_rust_wrote(self) -> None:
        self.rust.store(record("rust", id_token="x", identity_id="me", token_type="Bearer"))
        self.assertEqual(self.python.get_token_data(RS).to_dict(), data("rust").to_dict())
        everything = self.python.get_token_data_by_resource_server()
        self.assertEqual({name: token.to_dict() for name, token in everything.items()}, {RS: data("rust").to_dict()})
        without = record("rust")
        del without["refresh_token"], without["expires_at_seconds"]
        self.rust.store(without)
        read = self.python.get_token_data(RS)
        self.assertIsNone(read.refresh_token)
        self.assertEqual(read.expires_at_seconds, 0)

    def test_rust_swaps_and_removes_items_of_python(self) -> None:
        self.store(data("python"))
        revision = self.rust.get()[1]
        self.assertNotEqual(self.rust.store(record("rust"), revision), "conflict")
        self.assertEqual(self.rust.store(record("late"), revision), "conflict")
        self.assertEqual(self.python.get_token_data(RS).access_token, "rust")
        self.store(data("python again"))
        revision = self.rust.get()[1]
        self.assertIs(self.rust.ask("remove", "DEFAULT", RS, revision), True)
        self.assertIsNone(self.python.get_token_data(RS))

    def test_a_write_of_python_is_a_change(self) -> None:
        revision = self.rust.store(record("rust"))
        self.store(data("rust"))
        self.assertEqual(self.rust.store(record("late"), revision), "conflict")
        self.assertEqual(self.rust.ask("remove", "DEFAULT", RS, revision), "conflict")

    def test_python_replaces_and_removes_items_of_rust(self) -> None:
        self.rust.store(record("rust"))
        self.store(data("python"))
        self.assertEqual(self.rust.get()[0], record("python"))
        self.rust.store(record("rust"))
        self.assertTrue(self.python.remove_token_data(RS))
        self.assertFalse(self.python.remove_token_data(RS))
        self.assertIsNone(self.rust.get()[0])

    def test_namespaces_of_both_are_the_same(self) -> None:
        for namespace in ["", "tenant-7", "a b/é#"]:
            self.python.namespace = namespace
            self.store(data(f"python in {namespace}"))
            self.assertEqual(self.rust.get(namespace)[0]["access_token"], f"python in {namespace}")
            self.rust.store(record("rust"), namespace=namespace)
            self.assertEqual(self.python.get_token_data(RS).access_token, "rust")

    def test_a_held_lease_disturbs_no_read_of_a_token(self) -> None:
        self.rust.store(record("rust"))
        self.assertTrue(self.rust.ask("lease", "DEFAULT", RS))
        self.assertEqual(self.python.get_token_data(RS).to_dict(), data("rust").to_dict())
        # The example's listing reads the whole table and expects nothing else in it: known, and documented.
        with self.assertRaises(KeyError):
            self.python.get_token_data_by_resource_server()


if __name__ == "__main__":
    unittest.main()
