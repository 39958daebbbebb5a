#!/usr/bin/env bash
# No token is in what a program logs: the tests of the token manager and of logging in run with a log at the finest level, their
# HTTP client's and TLS's included, and so does the suite on each storage; all that they say is searched for tokens in every spelling.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh

said=$work/canary
rm -rf "$said"
mkdir -p "$said"
trap 'rm -rf "$said"' EXIT

# run NAME COMMAND...: what it says is kept; it must succeed, and log enough that there is something to look through.
run() {
    local name=$1 logged
    shift
    "$@" >"$said/$name" 2>&1 ||
        { grep -aE '^(failures|test .*FAILED|thread .* panicked)' "$said/$name" >&2; die "$name: its tests fail"; }
    logged=$(grep -acE '(^| )(TRACE|DEBUG) ' "$said/$name") || true
    [ "$logged" -ge 1000 ] || die "$name has logged $logged lines, so nothing was looked through"
    say "$name: $logged lines of log"
}

# The facade's package is in the root folder. More at a time than there are processors: they wait for each other most of the time.
export TOKEN_STORAGE_TEST_LOG=1
while read -r program; do
    name=$(basename "$program")
    run "${name%-*}" "$program" --nocapture --test-threads 16
done < <(test_programs "$(basename "$root")" --test manager --test oauth)

# The suite: JSON, SQLite and memory log nothing themselves, so their calls are traced, above and below other layers.
export TOKEN_STORAGE_CONFORMANCE_LOG=1 TOKEN_STORAGE_LAYERS=pairs
layers=$(test_programs "$(basename "$root")" --test layers_conformance)
run layers "$layers" "${canary_layers[@]}"
# DynamoDB, in the emulator: its SDK logs more than any. What goes wrong, and whatever writes on a condition.
dynamodb=$(test_programs dynamodb --test conformance)
cd backends/dynamodb
for area in faults:: network:: preconditions::; do
    run "dynamodb-${area%::}" "$dynamodb" "$area"
done
cd "$root"

[ "$(find "$said" -type f | wc -l)" = 6 ] || die "not all of these tests were found"
python3 support/canary/scan.py "$said"/* || die "a token is in what the tests say"
