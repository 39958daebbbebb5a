#!/usr/bin/env bash
# The suite, as far as a refresh needs it, on pairs of layers over JSON, SQLite and DynamoDB (the emulator): all that neither the
# tests nor the canary run. docs/layers.md says which pairs there are.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh

layers=$(test_programs "$(basename "$root")" --test layers_conformance)
[ -x "$layers" ] || die "the test of the layers was not built"

# plans WHICH OPTION...: what the test program would run with these, a line each.
plans() { TOKEN_STORAGE_LAYERS=$1 "$layers" --list "${@:2}" | sed -n 's|^\[[a-z]*\] \([^/]*\)/.*: test$|\1|p' | sort -u; }

all=$(plans pairs)
elsewhere=$(plans "")$'\n'$(plans pairs "${canary_layers[@]}")
wanted=$(comm -23 <(printf '%s\n' "$all") <(sort -u <<<"$elsewhere"))
count=$(wc -l <<<"$wanted")
[ "$count" -ge 9 ] || die "only $count pairs of layers were found:"$'\n'"$wanted"

# All in one go, as cases wait for leases most of the time.
skips=()
while read -r plan; do skips+=(--skip "] $plan/"); done < <(comm -23 <(printf '%s\n' "$all") <(printf '%s\n' "$wanted"))
log=$work/pairs-of-layers.log
TOKEN_STORAGE_LAYERS=pairs TOKEN_STORAGE_CONFORMANCE_REQUIRE=1 "$layers" "${skips[@]}" >"$log" 2>&1 || {
    sed -n '/^failures:$/,/^test result/p' "$log" | head -n 200 >&2
    tail -n 5 "$log" >&2
    die "a pair of layers does not keep the contract"
}

# What the program says at its end: of each plan each level's passed, failed, ignored and indeterminate.
ran=$(awk '/^conformance of / { plan = $3; sub(":", "", plan); core = lease = 0 }
    $1 == "core" { core = $2 } $1 == "lease" { lease = $2 }
    $1 == "all" && core > 0 && lease > 0 { printf "%s: %d passed, %d indeterminate\n", plan, $2, $5 }' "$log")
say "$ran"
missing=$(comm -23 <(printf '%s\n' "$wanted") <(sed 's/:.*//' <<<"$ran" | sort))
[ -z "$missing" ] || die "these were to run, and did not:"$'\n'"$missing"
say "$count pairs of layers"
