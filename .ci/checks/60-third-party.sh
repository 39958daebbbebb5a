#!/usr/bin/env bash
# What strangers are given works: the third-party backend is green in the suite, the template compiles and is red with a
# next step, and the program on docs/writing-a-backend.md is green.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

export CARGO_TARGET_DIR=$root/target/third-party
export TOKEN_STORAGE_CONFORMANCE_REQUIRE=1
out=$work/third-party.out
mkdir -p "$work"

# locked FOLDER: these lock files are not the workspace's, and follow its dependencies by hand.
locked() {
    cargo metadata --manifest-path "$1/Cargo.toml" --locked --format-version 1 --quiet >/dev/null ||
        die "$1/Cargo.lock is not up to date: run cargo update --workspace --manifest-path $1/Cargo.toml"
}

third=examples/third-party-backend template=examples/backend-template
for folder in "$third" "$template"; do
    locked "$folder"
    cargo fmt --manifest-path "$folder/Cargo.toml" --check
    cargo clippy --quiet --locked --manifest-path "$folder/Cargo.toml" --all-targets -- -D warnings
done

say "the third-party backend"
cargo test --quiet --locked --manifest-path "$third/Cargo.toml" | tee "$out"
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
sed 's|"\.\./\.\./|"'"$root"'/|' "$template/Cargo.toml" >"$program/Cargo.toml"
cp "$template/Cargo.lock" "$program/"
for file in src/lib.rs tests/conformance.rs; do
    awk -v mark="<!-- $file -->" '$0 == mark { taken = 1 } /^```$/ { taken = inside = 0 } inside { print }
        taken && $0 == "```rust" { inside = 1 }' docs/writing-a-backend.md >"$program/$file"
    [ -s "$program/$file" ] || die "the guide has no code for $file"
done
cargo test --quiet --locked --manifest-path "$program/Cargo.toml" --test conformance | tee "$out"
grep -Eq "^  all +[1-9][0-9]* +0 " "$out" || die "the program of the guide is not green"
