#!/usr/bin/env bash
# The Globus documentation's example storage, in Python with boto3, and the Rust storage on one table of the emulator.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
source .ci/dynamodb.sh

folder=$(python_env boto3 boto3==1.44.5 globus-sdk==4.9.1)
python=$folder/bin/python
TOKEN_STORAGE_DRIVER=$(example dynamodb_interchange)
export TOKEN_STORAGE_DRIVER
start_emulator
export TOKEN_STORAGE_DYNAMODB_ENDPOINT=$endpoint
cd backends/dynamodb/tests/python
"$python" -B -W error::ResourceWarning -m unittest -v test_interchange
