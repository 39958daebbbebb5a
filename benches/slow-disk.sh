#!/usr/bin/env bash
# P3, P5 and P7 as on slower disks: each fsync and fdatasync takes 0, 1 and 4 ms longer than this disk does, or as many as are
# named. Linux; needs a C compiler. `benches/slow-disk.sh [MILLISECONDS]...`
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
library=$target/slow_disk.so
mkdir -p "$target"
cc -shared -fPIC -O2 -Wall -Werror -o "$library" support/slow-disk/slow_disk.c -ldl
library=$(realpath "$library")

# bench NAME: builds it and prints where it is.
bench() {
    cargo bench --locked --quiet -p token-storage-benches --bench "$1" --no-run --message-format=json |
        python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and message["target"]["name"] == sys.argv[1] and message["executable"]:
        print(message["executable"])' "$1"
}
json=$(bench json) sqlite=$(bench sqlite)

[ $# -gt 0 ] || set -- 0 1 4
for milliseconds in "$@"; do
    echo "=== fsync takes $milliseconds ms longer"
    export SLOW_DISK_MICROSECONDS=$((milliseconds * 1000))
    LD_PRELOAD=$library "$sqlite" --bench "$target" stores processes
    LD_PRELOAD=$library PARTS=stores "$json" --bench "$target"
done
