#!/usr/bin/env bash
# What strangers are given works: the third-party backend is green in the suite, and every command works on it; the template
# compiles and is red with a next step, the program on docs/writing-a-backend.md is green, and docs/conformance-findings.md
# says what is found. With --update the figures there are replaced.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

export CARGO_TARGET_DIR=$root/target/third-party
export TOKEN_STORAGE_CONFORMANCE_REQUIRE=1
out=$work/third-party.out
mkdir -p "$work"

third=examples/third-party-backend template=examples/backend-template yup=examples/conformance-yup-oauth2
for folder in "$third" "$template" "$yup"; do
    cargo fmt --all --manifest-path "$folder/Cargo.toml" --check
    cargo clippy --quiet --locked --workspace --manifest-path "$folder/Cargo.toml" --all-targets -- -D warnings
done

say "the third-party backend, and every command on it"
cargo test --quiet --locked --workspace --manifest-path "$third/Cargo.toml" | tee "$out"
for level in core enumerate lease durable shared hostile; do
    grep -Eq "^  $level +[1-9][0-9]* +0 " "$out" || die "the third-party backend passed no case of the level $level"
done

say "the template, which must be red"
if cargo test --quiet --locked --manifest-path "$template/Cargo.toml" --test conformance >"$out" 2>&1; then
    die "the template is green, though nothing in it is written"
fi
grep -q "not written yet; see step 4 of docs/writing-a-backend.md" "$out" || die "the template does not say what to do next"
grep -Eq "^  all +[0-9]+ +[1-9][0-9]* " "$out" || die "the suite did not run on the template"
for step in $(grep -o 'step [0-9]*' "$template/src/lib.rs" | tr -dc '0-9\n' | sort -u) 7 8 9; do
    grep -q "^## $step\. " docs/writing-a-backend.md || die "the template names step $step, which the guide does not have"
done

say "the program in docs/writing-a-backend.md"
program=$work/written-backend
mkdir -p "$program/src" "$program/tests"
# Another version, as to cargo it would be the template: a package is known by its path from its own workspace.
other_version() { sed '/^name = "my-token-storage"$/,/^version/s|^version = .*|version = "0.1.1"|' "$template/$1"; }
other_version Cargo.toml | sed 's|"\.\./\.\./|"'"$root"'/|' >"$program/Cargo.toml"
other_version Cargo.lock >"$program/Cargo.lock"
for file in src/lib.rs tests/conformance.rs; do
    awk -v mark="<!-- $file -->" '$0 == mark { taken = 1 } /^```$/ { taken = inside = 0 } inside { print }
        taken && $0 == "```rust" { inside = 1 }' docs/writing-a-backend.md >"$program/$file"
    [ -s "$program/$file" ] || die "the guide has no code for $file"
done
cargo test --quiet --locked --manifest-path "$program/Cargo.toml" --test conformance | tee "$out"
grep -Eq "^  all +[1-9][0-9]* +0 " "$out" || die "the program of the guide is not green"

say "the suite over yup-oauth2"
cargo run --quiet --locked --manifest-path "$yup/Cargo.toml" -- --json "$work/yup-oauth2"
grep -q "^yup-oauth2 = { version = \"=$(sed -n 's/^## yup-oauth2 \([0-9.]*\),.*/\1/p' docs/conformance-findings.md)\"" \
    "$yup/Cargo.toml" || die "docs/conformance-findings.md names another version of yup-oauth2 than $yup/Cargo.toml"
python3 - "$work/yup-oauth2" "${1:-}" <<'PYTHON'
"""The table of figures, from the suite's JSON."""
import json, pathlib, sys

folder, update = pathlib.Path(sys.argv[1]), sys.argv[2] == "--update"
page = pathlib.Path("docs/conformance-findings.md")
runs = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("one-handle", "reopened", "processes")}


def row(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def column(run):
    share = lambda share: f"{share['count']} of {share['of']}"
    level = lambda level: f"{level['passed']} / {level['failed']} / {level['ignored'] + level['indeterminate']}"
    return [run["suite"], share(run["coverage"]), share(run["divergence"]), *map(level, run["levels"])]


columns = {name: column(run) for name, run in runs.items()}
labels = ["suite", "clauses checked", "of them not kept in some case"]
labels += [f"{level['level']}: passed / failed / ignored" for level in runs["one-handle"]["levels"]]
rows = [row(["", "one handle", "reopened", "processes"]), "|---|---|---|---|"]
rows += [row([label, *(column[i] for column in columns.values())]) for i, label in enumerate(labels)]

start, end = "<!-- made by .ci/checks/60-third-party.sh --update -->\n", "<!-- end -->"
text = page.read_text()
before, rest = text.split(start)
stands, after = rest.split(end, 1)
if update:
    page.write_text(before + start + "\n".join(rows) + "\n" + end + after)
    sys.exit()
# What is found must be what stands there; how many cases the suite has grows with the suite. The other two columns are
# races in part.
failed = lambda cell: cell.split(" / ")[1] if " / " in cell else cell.split(" of ")[0]
stands = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in stands.splitlines()[2:]}
for label, cell in zip(labels[2:], columns["one-handle"][2:]):
    if failed(stands.get(label, "")) != failed(cell):
        sys.exit(f"docs/conformance-findings.md is stale in the row {label!r}: run .ci/checks/60-third-party.sh --update")
PYTHON
