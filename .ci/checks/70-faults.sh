#!/usr/bin/env bash
# Fails the system calls of the command one by one, and kills it at each: support/faults/faults.py says what must hold. CI
# runs every 12th fault of the whole, the same ones each time; TOKEN_STORAGE_FAULTS=1 runs all (half an hour).
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh

need strace strace
the_programs
python3 support/faults/faults.py "${CARGO_TARGET_DIR:-$root/target}/debug/token-storage" \
    --share "${TOKEN_STORAGE_FAULTS:-12}" --table "$work/faults.md"
