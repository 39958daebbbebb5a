#!/usr/bin/env bash
# Token storages of other projects, the real ones, beside ours: `benches/peers/run.sh [full] [NAME...]` prints the tables
# of docs/performance.md. Some two minutes once built; `full`, of longer blocks and more of them, takes ten. Linux; installs
# strace and a Python environment.
#
# Not a part of CI, which would have to build some 300 crates for it that nothing else needs.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh

need strace strace
python=$(python_env peers globus-sdk==4.9.1 msal-extensions==1.3.1)/bin/python
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/peers
# A program can have but one version of SQLite.
for program in ours rusqlite sqlx; do
    nice cargo build --release --quiet --locked --manifest-path "benches/peers/$program/Cargo.toml"
done
# On the disk that the project lies on: a folder for temporary files may be memory.
folder=$(mktemp -d "$CARGO_TARGET_DIR/run-XXXXXX")
trap 'rm -rf "$folder"' EXIT
python3 benches/peers/compare.py "$CARGO_TARGET_DIR/release" "$python" "$folder" "$@"
