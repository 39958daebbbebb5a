"""Prints the seconds that one `get_token_data` and one durable store of the SDK's SQLiteTokenStorage take: medians.

usage: sqlite_globus.py PATH RECORDS
"""

import statistics
import sys
import time

from globus_sdk.token_storage import SQLiteTokenStorage, TokenStorageData

path, records = sys.argv[1], int(sys.argv[2])
storage = SQLiteTokenStorage(path)
# As the SDK makes it: our files keep their write-ahead log otherwise, which is faster than what its users have.
storage._connection.execute("PRAGMA journal_mode = DELETE").fetchall()


def median(count, work):
    times = []
    for turn in range(count):
        start = time.perf_counter()
        work(turn)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def get(_):
    assert storage.get_token_data(f"resource-server-{records // 2}.example.org") is not None


def store(turn):
    name = "resource-server-0.example.org"
    data = TokenStorageData(name, None, "openid profile email", f"{turn:0>500}", f"{turn:0>200}", 1795649003, "Bearer")
    storage.store_token_data_by_resource_server({name: data})


print(median(100 if records < 1000 else 3, get), median(100, store))
storage.close()
