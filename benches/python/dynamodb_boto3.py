"""Prints the CPU time, in microseconds, of one `get_token_data` of the Python example adapter.

usage: dynamodb_boto3.py ENDPOINT TABLE REGION CONCURRENT COUNT
"""

import sys
import threading
import time

from example_adapter import DynamoDBTokenStorage

endpoint, table, region, concurrent, count = sys.argv[1:]
storage = DynamoDBTokenStorage(endpoint, table, region=region)
each = int(count) // int(concurrent)


def gets(number: int) -> None:
    for _ in range(number):
        assert storage.get_token_data("groups.api.globus.org") is not None


def run(number: int) -> None:
    threads = [threading.Thread(target=gets, args=(number,)) for _ in range(int(concurrent))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


run(1)
before = time.process_time()
run(each)
print((time.process_time() - before) / (each * int(concurrent)) * 1e6)
