#!/usr/bin/env bash
# The README's table of levels and backends is what the suite finds. `--update` writes it.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

reports=$(conformance_reports) || die "a suite failed"

python3 - "$reports" "${1:-}" <<'PYTHON'
import json, pathlib, sys, tomllib

# Memory, and the members in backends/ that have a suite. Each says in its Cargo.toml how it is written here.
BACKENDS = {"memory": "memory"}
for member in tomllib.loads(pathlib.Path("Cargo.toml").read_text())["workspace"]["members"]:
    manifest = tomllib.loads(pathlib.Path(member, "Cargo.toml").read_text())
    if member.startswith("backends/") and any(test["name"] == "conformance" for test in manifest.get("test", [])):
        BACKENDS[member.removeprefix("backends/")] = manifest["package"]["metadata"]["token-storage"]["title"]
LEVELS = {
    "core": "what every storage does",
    "enumerate": "listing",
    "lease": "refresh leases",
    "durable": "reopening, kills, damage",
    "shared": "several handles and processes",
    "hostile": "dropped calls, faults, odd keys and sizes, random sequences",
}
BEGIN, END = "<!-- made by .ci/checks/50-conformance-table.sh -->\n", "<!-- end -->\n"

reports, switch = pathlib.Path(sys.argv[1]), sys.argv[2]
found = {}
for name in BACKENDS:
    results = json.loads((reports / f"{name}.json").read_text())
    found[name] = {level["level"]: level for level in results["levels"]}
    undecided = [case["name"] for case in results["cases"] if case["verdict"] in ("failed", "indeterminate")]
    if undecided:
        sys.exit(f"CI: {name}: failed or indeterminate: {undecided}")
    if list(found[name]) != list(LEVELS):
        sys.exit(f"CI: the levels are {list(found[name])}")

rows = [["level", *BACKENDS.values()], ["---", *["--:"] * len(BACKENDS)]]
for level, meaning in LEVELS.items():
    rows.append([f"{level}: {meaning}", *[str(found[name][level]["passed"] or "–") for name in BACKENDS]])
rows.append(["all", *[str(sum(level["passed"] for level in found[name].values())) for name in BACKENDS]])
table = "".join("| " + " | ".join(row) + " |\n" for row in rows)

readme = pathlib.Path("README.md")
text = readme.read_text()
before, rest = text.split(BEGIN)
after = rest.split(END, 1)[1]
wanted = before + BEGIN + table + END + after
print(table, end="")
if switch == "--update":
    readme.write_text(wanted)
elif text != wanted:
    sys.exit("CI: the README's table is not this one; run .ci/checks/50-conformance-table.sh --update")
PYTHON
