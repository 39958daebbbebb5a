#!/usr/bin/env bash
# No token is in what a program logs: the tests of the token manager and of logging in run with a log at the finest level, their
# HTTP client's and TLS's included, and all that they say is searched for tokens in every spelling.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh

said=$work/canary
rm -rf "$said"
mkdir -p "$said"
trap 'rm -rf "$said"' EXIT

# The facade's package is in the root folder. More at a time than there are processors: they wait for each other most of the time.
while read -r program; do
    name=$(basename "$program")
    name=${name%-*}
    TOKEN_STORAGE_TEST_LOG=1 "$program" --nocapture --test-threads 16 >"$said/$name" 2>&1 ||
        { grep -aE '^(failures|test .*FAILED|thread .* panicked)' "$said/$name" >&2; die "$name: its tests fail"; }
    logged=$(grep -acE ' (TRACE|DEBUG) ' "$said/$name") || true
    [ "$logged" -ge 1000 ] || die "$name has logged $logged lines, so nothing was looked through"
    say "$name: $logged lines of log"
done < <(test_programs "$(basename "$root")" --test manager --test oauth)

[ "$(find "$said" -type f | wc -l)" = 2 ] || die "the tests of the manager and of logging in were not found"
python3 support/canary/scan.py "$said"/* || die "a token is in what the tests say"
