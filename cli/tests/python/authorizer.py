"""One program of the Globus Python SDK: refreshes with its RefreshTokenAuthorizer what Rust left in the file, stores the
answer by the storage's own callback, and prints the names of the groups that the new token lets it see.

    authorizer.py new|legacy json|sqlite FILE RESOURCE_SERVER
"""

import sys

import globus_sdk

if int(globus_sdk.__version__.split(".")[0]) >= 4:
    from globus_sdk import token_storage as new
    from globus_sdk.token_storage import legacy
else:
    from globus_sdk.tokenstorage import v1 as legacy
    from globus_sdk.tokenstorage import v2 as new


def with_new_storage(kind, path):
    storage = {"json": new.JSONTokenStorage, "sqlite": new.SQLiteTokenStorage}[kind](path)
    token = storage.get_token_data(resource_server)
    return storage, storage.store_token_response, token.refresh_token, token.access_token


def with_legacy_adapter(path):
    adapter = legacy.SQLiteAdapter(path, namespace="DEFAULT")
    token = adapter.get_token_data(resource_server)
    return adapter, adapter.on_refresh, token["refresh_token"], token["access_token"]


generation, kind, path, resource_server = sys.argv[1:]
if generation == "legacy":
    storage, on_refresh, refresh_token, old = with_legacy_adapter(path)
else:
    storage, on_refresh, refresh_token, old = with_new_storage(kind, path)

client = globus_sdk.NativeAppAuthClient("native-client")
# Without an access token the authorizer fetches one at once, by the refresh token.
authorizer = globus_sdk.RefreshTokenAuthorizer(refresh_token, client, on_refresh=on_refresh)
header = authorizer.get_authorization_header()
assert header.startswith("Bearer ") and header != f"Bearer {old}", "Python got a new token"
for group in globus_sdk.GroupsClient(authorizer=authorizer).get_my_groups():
    print(group["name"])
if kind == "sqlite":
    storage.close()
