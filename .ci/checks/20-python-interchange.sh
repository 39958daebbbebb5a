#!/usr/bin/env bash
# The real Globus Python SDK, 4.x and 3.x, reads what Rust wrote and the reverse. Needs python3 and, the first time, PyPI.
# TOKEN_STORAGE_SKIP_PYTHON=1 leaves it out, aloud.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${TOKEN_STORAGE_SKIP_PYTHON:-0}" = 1 ]; then
    echo "python interchange: SKIPPED, because TOKEN_STORAGE_SKIP_PYTHON=1"
    exit 0
fi
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --example interchange --features json,sqlite
export TOKEN_STORAGE_DRIVER=$PWD/$target/debug/examples/interchange
[ -x "$TOKEN_STORAGE_DRIVER" ] || TOKEN_STORAGE_DRIVER=$target/debug/examples/interchange
for version in 4 3; do
    venv=$target/python/globus-$version
    if ! "$venv/bin/python" -c 'import globus_sdk' 2>/dev/null; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "globus-sdk>=$version,<$((version + 1))"
    fi
    "$venv/bin/python" -c 'import globus_sdk; print("python interchange with globus-sdk", globus_sdk.__version__)'
    "$venv/bin/python" -B -W error::ResourceWarning -m unittest discover -s tests/python
done
