#!/usr/bin/env bash
# The pages of `conformance` and `bench` in a real browser: a run that passed, one that failed and one that measured, light and
# dark, wide and narrow.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../browser.sh"
cd "$root"

the_programs
command=${CARGO_TARGET_DIR:-$root/target}/debug/token-storage
pages=$work/pages
rm -rf "$pages"
mkdir -p "$pages"

"$command" conformance memory: --level core,enumerate --html "$pages/passed.html" >/dev/null
# A file that cannot grow makes a storage that does not conform.
code=0
(ulimit -f 256 && exec "$command" conformance "json:$pages/tokens.json" --filter limits::a_record_of_half \
    --html "$pages/failed.html") >/dev/null 2>&1 || code=$?
[ "$code" = 1 ] || die "a run with a failure ended with $code"
"$command" bench "sqlite:$pages/bench.db" "json:$pages/bench.json" memory: --budget 3s --html "$pages/measured.html" >/dev/null

for page in passed failed measured; do
    probe "$pages/$page.html"
    case $page in
    passed) expected='{"verdict": "conforms", "failures": 0, "history": 0, "first": "The contract at a glance", "mapped": true}' ;;
    failed) expected='{"verdict": "does not conform", "failures": 1, "history": 1, "first": "What the storage does not keep", "mapped": true}' ;;
    measured) expected='{"verdict": "", "charts": 7, "promises": 0, "coloured": true}' ;;
    esac
    for width in 1200 500; do
        for scheme in light dark; do
            browse "$pages/$page-probe.html" "$width" "$scheme" >"$pages/dom.html"
            seen "$pages/dom.html" "the page of a run that $page" "$width" "$scheme" "$expected"
        done
    done
done
