#!/usr/bin/env bash
# The real Globus Python SDK, 4.x and 3.x, reads what Rust wrote and the reverse. Needs python3 and, the first time, PyPI.
# TOKEN_STORAGE_SKIP_PYTHON=1 leaves it out, aloud.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
if [ "${TOKEN_STORAGE_SKIP_PYTHON:-0}" = 1 ]; then
    echo "python interchange: SKIPPED, because TOKEN_STORAGE_SKIP_PYTHON=1"
    exit 0
fi
TOKEN_STORAGE_DRIVER=$(example interchange)
the_programs
TOKEN_STORAGE_COMMAND=${CARGO_TARGET_DIR:-$root/target}/debug/token-storage
export TOKEN_STORAGE_DRIVER TOKEN_STORAGE_COMMAND
for version in 4 3; do
    venv=$(python_env "globus-$version" "globus-sdk>=$version,<$((version + 1))")
    "$venv/bin/python" -c 'import globus_sdk; print("python interchange with globus-sdk", globus_sdk.__version__)'
    "$venv/bin/python" -B -W error::ResourceWarning -m unittest discover -s tests/python
done
