#!/usr/bin/env bash
# What strangers are given works: the third-party backend is green in the suite, and every command works on it; the template
# compiles and is red with a next step, the programs on docs/writing-a-backend.md and docs/writing-a-layer.md are green, and
# docs/conformance-findings.md says what is found. With --update the figures there are replaced.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

export CARGO_TARGET_DIR=$targets/strangers
export TOKEN_STORAGE_CONFORMANCE_REQUIRE=1
out=$work/third-party.out
mkdir -p "$work"

third=examples/third-party-backend template=examples/backend-template
# Storages that know nothing of the suite: the crate, and the folder of the program that runs the suite over it.
declare -A foreign=(
    [yup-oauth2]=examples/conformance-yup-oauth2
    [tower-sessions-rusqlite-store]=examples/conformance-tower-sessions
    [redb]=examples/conformance-redb
)
for folder in "$third" "$template" "${foreign[@]}"; do
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
steps=$(grep -o 'step [0-9]*' "$template/src/lib.rs" | tr -dc '0-9\n' | sort -u)
for step in $steps 7 8 9; do
    grep -q "^## $step\. " docs/writing-a-backend.md || die "the template names step $step, which the guide does not have"
done

# Another version for each, as to cargo it would be the template: a package is known by its path from its own workspace.
written() {
    local page=$1 version=$2 program file
    program=$work/written-$(basename "$page" .md)
    say "the program in $page"
    mkdir -p "$program/src" "$program/tests"
    other_version() { sed '/^name = "my-token-storage"$/,/^version/s|^version = .*|version = "'"$version"'"|' "$template/$1"; }
    other_version Cargo.toml | sed 's|"\.\./\.\./|"'"$root"'/|' >"$program/Cargo.toml"
    other_version Cargo.lock >"$program/Cargo.lock"
    for file in src/lib.rs tests/conformance.rs; do
        awk -v mark="<!-- $file -->" '$0 == mark { taken = 1 } /^```$/ { taken = inside = 0 } inside { print }
            taken && $0 == "```rust" { inside = 1 }' "$page" >"$program/$file"
        [ -s "$program/$file" ] || die "$page has no code for $file"
    done
    cargo test --quiet --locked --manifest-path "$program/Cargo.toml" --test conformance | tee "$out"
    grep -Eq "^  all +[1-9][0-9]* +0 " "$out" || die "the program of $page is not green"
}
written docs/writing-a-backend.md 0.1.1
written docs/writing-a-layer.md 0.1.2

rm -rf "$work/foreign"
for crate in "${!foreign[@]}"; do
    ways=()
    # Those who share a database wait for a stopped process for as long as the suite lets them, which is minutes.
    case $crate${1:-} in
    redb) ways=(exclusive) ;;
    tower-sessions-rusqlite-store) ways=(one-handle reopened) ;;
    esac
    say "the suite over $crate"
    manifest=${foreign[$crate]}/Cargo.toml
    cargo run --quiet --locked --manifest-path "$manifest" -- --json "$work/foreign/$crate" "${ways[@]}"
    version=$(sed -n "s/^## $crate \([0-9.]*\),.*/\1/p" docs/conformance-findings.md)
    grep -Eq "^$crate = .*\"=$version\"" "$manifest" ||
        die "docs/conformance-findings.md names another version of $crate than $manifest"
done
python3 - "$work/foreign" "${1:-}" <<'PYTHON'
"""The tables of figures, from the suite's JSON."""
import json, pathlib, sys

folder, update = pathlib.Path(sys.argv[1]), sys.argv[2] == "--update"
page = pathlib.Path("docs/conformance-findings.md")
# The ways of use of each, and how many of them, from the first, find the same in every run. The others are races in part.
WAYS = {
    "yup-oauth2": (["one-handle", "reopened", "processes"], 1),
    "tower-sessions-rusqlite-store": (["one-handle", "reopened", "processes"], 1),
    "redb": (["exclusive", "multi-writer"], 1),
}


def row(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def column(run):
    share = lambda share: f"{share['count']} of {share['of']}"
    level = lambda level: f"{level['passed']} / {level['failed']} / {level['ignored'] + level['indeterminate']}"
    return [run["suite"], share(run["coverage"]), share(run["divergence"]), *map(level, run["levels"])]


def table(runs):
    columns = {way: column(run) for way, run in runs.items()}
    levels = next(iter(runs.values()))["levels"]
    labels = ["suite", "clauses checked", "of them not kept in some case"]
    labels += [f"{level['level']}: passed / failed / ignored" for level in levels]
    rows = [row(["", *(way.replace("-", " ") for way in runs)]), row(["---"] * (len(runs) + 1)).replace(" ", "")]
    return rows + [row([label, *(cells[i] for cells in columns.values())]) for i, label in enumerate(labels)]


def cells(line):
    return [cell.strip() for cell in line.split("|")[1:-1]]


# What is found must be what stands there; how many cases the suite has grows with the suite.
def failed(cell):
    return cell.split(" / ")[1] if " / " in cell else cell.split(" of ")[0]


text = page.read_text()
stale = []
for crate, (ways, steady) in WAYS.items():
    made = {way: folder / crate / f"{way}.json" for way in ways}
    rows = table({way: json.loads(path.read_text()) for way, path in made.items() if path.exists()})
    start, end = f"<!-- {crate}: made by .ci/checks/60-third-party.sh --update -->\n", "<!-- end -->"
    before, rest = text.split(start)
    stands, after = rest.split(end, 1)
    text = before + start + "\n".join(rows) + "\n" + end + after
    stands = {line[0]: line[1:] for line in map(cells, stands.splitlines())}
    for label, *found in list(map(cells, rows))[4:]:
        there = stands.get(label, [])
        if list(map(failed, there[:steady])) != list(map(failed, found[:steady])):
            stale.append(f"{crate}: {label}: {there} stands there, {found} was found")
if update:
    page.write_text(text)
elif stale:
    sys.exit("\n".join([*stale, "docs/conformance-findings.md is stale: run .ci/checks/60-third-party.sh --update"]))
PYTHON
