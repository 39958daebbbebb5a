"""A token storage for DynamoDB in Python, as the Globus SDK's documentation describes one.

Written anew from that description: one item for each token, under the hash key `token_data_id`, which is the namespace
and the resource server joined by a colon. The tests let it and the Rust storage read, replace and remove each other's
items; the bench measures it.
"""

from __future__ import annotations

import time
import typing as t

import boto3
from globus_sdk.token_storage import TokenStorage, TokenStorageData


class DynamoDBTokenStorage(TokenStorage):
    """Keeps each token in an item of its own."""

    KEY = "token_data_id"

    def __init__(self, endpoint: str, table: str, *, namespace: str = "DEFAULT", region: str = "eu-central-1") -> None:
        super().__init__(namespace=namespace)
        self.client = boto3.client(
            "dynamodb",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.table = table

    def create_table(self) -> None:
        """Makes the table with five units of capacity each way, and waits until it is active."""
        self.client.create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": self.KEY, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": self.KEY, "AttributeType": "S"}],
            ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        )
        while self.client.describe_table(TableName=self.table)["Table"]["TableStatus"] != "ACTIVE":
            time.sleep(1)

    def _key(self, resource_server: str) -> dict[str, t.Any]:
        return {self.KEY: {"S": f"{self.namespace}:{resource_server}"}}

    @staticmethod
    def _read(item: dict[str, t.Any]) -> TokenStorageData:
        return TokenStorageData(
            resource_server=item["resource_server"]["S"],
            identity_id=None,
            scope=item["scope"]["S"],
            access_token=item["access_token"]["S"],
            refresh_token=item["refresh_token"]["S"] if "refresh_token" in item else None,
            expires_at_seconds=int(item["expires_at_seconds"]["N"]),
            token_type="Bearer",
        )

    def store_token_data_by_resource_server(self, token_data_by_resource_server: t.Mapping[str, TokenStorageData]) -> None:
        for resource_server, data in token_data_by_resource_server.items():
            item = {
                **self._key(resource_server),
                "resource_server": {"S": data.resource_server},
                "scope": {"S": data.scope},
                "access_token": {"S": data.access_token},
                "expires_at_seconds": {"N": str(data.expires_at_seconds)},
            }
            if data.refresh_token is not None:
                item["refresh_token"] = {"S": data.refresh_token}
            self.client.put_item(TableName=self.table, Item=item)

    def get_token_data(self, resource_server: str) -> TokenStorageData | None:
        found = self.client.get_item(TableName=self.table, Key=self._key(resource_server), ConsistentRead=True)
        return self._read(found["Item"]) if "Item" in found else None

    def get_token_data_by_resource_server(self) -> dict[str, TokenStorageData]:
        found = self.client.scan(TableName=self.table, ConsistentRead=True)
        read = (self._read(item) for item in found["Items"])
        return {data.resource_server: data for data in read}

    def remove_token_data(self, resource_server: str) -> bool:
        gone = self.client.delete_item(TableName=self.table, Key=self._key(resource_server), ReturnValues="ALL_OLD")
        return "Attributes" in gone
