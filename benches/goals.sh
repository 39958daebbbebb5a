#!/usr/bin/env bash
# The goals P1 to P20 of docs/performance.md, each measured beside its floor in one run, as one table: `benches/goals.sh [quick] [all]`.
# What is not measured says how it is. Some ten minutes once built; `quick` takes three, of fewer rounds, and shows only that
# it works. `all` adds what builds much or takes long: a million records, DynamoDB (the AWS SDK, boto3), the peers.
set -euo pipefail
cd "$(dirname "$0")/.."
source .ci/lib.sh

quick="" all="" options=()
for word in "$@"; do
    case $word in
    quick) quick=quick options=(-- --quick) ;;
    all) all=all ;;
    *) die "it takes \`quick\` and \`all\`" ;;
    esac
done
need sqlite3 sqlite3
python=$(python_env peers globus-sdk==4.9.1 msal-extensions==1.3.1)/bin/python
export TOKEN_STORAGE_BENCH_PYTHON=$python
target=${CARGO_TARGET_DIR:-$root/target}
rows=$(mktemp)
folder=$(mktemp -d "$target/goals-XXXXXX")
trap 'rm -rf "$rows" "$folder"' EXIT

# rows COMMAND...: runs it, shows what it prints and keeps the goals among it.
rows() { "$@" | tee /dev/stderr | sed -n '/^goal | /p' >>"$rows"; }
bench() { cargo bench --locked --quiet -p token-storage-benches --bench "$@"; }

for part in json sqlite manager; do
    rows bench "$part" "${options[@]}"
done
cargo build --locked --quiet --profile bench -p token-storage-cli
rows python3 benches/python/commands.py "$target/release/token-storage" "$python" "$folder" $quick
if [ "$all" ]; then
    rows bench sqlite -- million ${quick:+--quick}
    rows benches/dynamodb.sh
    rows bench fleet --features dynamodb
    rows benches/peers/run.sh
fi

python3 - "$rows" <<'PYTHON'
import re, sys

# What was not measured in this run: how it is, or why it cannot be so.
ELSEWHERE = {
    "P4": "`benches/goals.sh all`: fills a database of a million records first",
    "P9": "`benches/goals.sh all`, or `benches/peers/run.sh`: builds some 300 crates of other projects",
    "P10": "`benches/goals.sh all`, or `benches/dynamodb.sh`: builds the AWS SDK, and an environment with boto3",
    "P13": "`benches/goals.sh all`; the requests are asserted by the tests of `backends/dynamodb`, too, and stand in docs/dynamodb.md",
    "P19": "`time cargo build -p token-storage-cli --target-dir $(mktemp -d)` on a machine that does nothing else",
    "P20": "`.ci/run` prints the times of its stages; `token-storage conformance URL` those of the cases of one storage",
}
rows = [[cell.strip() for cell in line.strip().removeprefix("goal | ").split(" | ")] for line in open(sys.argv[1])]
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
