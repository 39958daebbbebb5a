#!/usr/bin/env bash
# The DynamoDB bench with boto3 beside it: makes a Python environment for it, then runs `cargo bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/lib.sh

folder=$(python_env boto3 boto3==1.44.5 globus-sdk==4.9.1)
TOKEN_STORAGE_BENCH_PYTHON=$folder/bin/python cargo bench --locked -p token-storage-benches --features dynamodb --bench dynamodb
