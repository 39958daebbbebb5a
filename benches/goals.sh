#!/usr/bin/env bash
# The goals of docs/performance.md, each measured beside its floor in one run: `benches/goals.sh [quick]` prints them as one
# table, with what is not measured here and why. With TOKEN_STORAGE_BENCH_PYTHON naming a Python that has globus-sdk 4, P8, too.
# Some ten minutes once built; `quick` takes three, of fewer rounds, and shows only that it works.
set -euo pipefail
cd "$(dirname "$0")/.."

rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
parts=(json sqlite manager)
options=()
[ "${1:-}" != quick ] || options=(-- --quick)
for part in "${parts[@]}"; do
    cargo bench --locked --quiet -p token-storage-benches --bench "$part" "${options[@]}" | tee /dev/stderr | grep '^goal | ' >>"$rows"
done
python3 - "$rows" <<'PYTHON'
import re, sys

# What these benches do not measure: where it is, or why not.
ELSEWHERE = {
    "P4": "`cargo bench -p token-storage-benches --bench sqlite -- million`: fills a database of a million records first",
    "P8": "set TOKEN_STORAGE_BENCH_PYTHON to a Python that has globus-sdk",
    "P9": "`benches/peers/run.sh`: builds some 300 crates of other projects",
    "P10": "`benches/dynamodb.sh`: builds the AWS SDK, and an environment with boto3",
    "P13": "the requests are asserted by the tests of `backends/dynamodb` and stand in docs/dynamodb.md",
    "P14": "`cargo bench -p token-storage-benches --features dynamodb --bench fleet`, docs/scale.md",
    "P15": "not measured here: it takes the `sqlite3` shell and the Python SDK",
    "P16": "not measured here: a million records, and the `sqlite3` shell; figures in docs/performance.md",
    "P17": "not measured here: a file of 100,000 records by the command",
    "P18": "not measured here: 256 processes need a machine that does nothing else",
    "P19": "not measured here: a build from a clean folder",
    "P20": "`.ci/run` prints the times of its stages",
}
rows = [line.strip().split(" | ")[1:] for line in open(sys.argv[1])]
order = lambda name: int(re.search(r"\d+", name)[0])
measured = {row[0] for row in rows}
rows += [[name, why, "", "", "", "not measured here"] for name, why in ELSEWHERE.items() if name not in measured]
rows.sort(key=lambda row: order(row[0]))
print("\n| | what | measured | goal | beside | |\n|---|---|---|---|---|---|")
for row in rows:
    print("| " + " | ".join(row) + " |")
missing = {f"P{n}" for n in range(1, 21)} - {row[0] for row in rows}
sys.exit(f"goals that nothing tells of: {sorted(missing, key=order)}" if missing else 0)
PYTHON
