#!/usr/bin/env bash
# The hot paths take no more instructions than benches/instructions.txt says, counted by valgrind: figures that the load of
# the machine does not change. A tenth more fails; so does a fifth less, so that what was won is kept. What looks at a file and at
# the clock now and then may be a quarter off. `--update` writes the file.
#
# Each path runs twice, with more calls the second time: the difference is that of the calls alone.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

need valgrind valgrind
need python3 python3
program=$(cargo bench --locked --quiet -p token-storage-benches --bench hot_paths --no-run --message-format=json | python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and message["target"]["name"] == "hot_paths" and message["executable"]:
        print(message["executable"])')
[ -x "$program" ] || die "the bench hot_paths was not built"

python3 - "$program" benches/instructions.txt "${1:-}" <<'PYTHON'
import re, subprocess, sys

program, committed, update = sys.argv[1:]

# Opening takes a hundred times what a call does.
def numbers(path):
    return (20, 120) if path.endswith("-open") else (1000, 3000)

def allowed(path):
    return (0.75, 1.25) if path.startswith(("json-", "sqlite-")) else (0.8, 1.1)

def instructions(path, calls):
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program, path, str(calls)]
    ran = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"I\s+refs:\s+([\d,]+)", ran.stderr)
    if ran.returncode or not found:
        sys.exit(f"CI: {path} under valgrind ended with {ran.returncode}:\n{ran.stderr}")
    return int(found[1].replace(",", ""))

paths = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
counted = {}
for path in paths:
    few, many = numbers(path)
    counted[path] = round((instructions(path, many) - instructions(path, few)) / (many - few))
if update == "--update":
    with open(committed, "w") as file:
        file.write("# Instructions of one call: written by .ci/checks/58-instructions.sh --update, and held by it.\n")
        file.writelines(f"{path} {count}\n" for path, count in counted.items())
before = dict(line.split() for line in open(committed) if not line.startswith("#"))
wrong = set(before) ^ set(counted)
for path, count in counted.items():
    ratio = count / int(before[path]) if path in before else 1
    print(f"{path:<18} {count:>8} instructions, {ratio:5.2f} of what is committed")
    low, high = allowed(path)
    if not low <= ratio <= high:
        wrong.add(path)
if wrong:
    sys.exit(f"CI: {sorted(wrong)}: not as committed; find out why, or run .ci/checks/58-instructions.sh --update and say why")
PYTHON
