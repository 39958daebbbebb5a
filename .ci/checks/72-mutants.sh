#!/usr/bin/env bash
# Changes the code one small step at a time; the tests of its crate must notice. CI does a fixed part of core, what conditional writes
# rest on, with the tests that are quick: not those of what must not compile, and no examples.
# TOKEN_STORAGE_MUTANTS=N takes N of all at random instead, from core, the backends and the manager, and
# TOKEN_STORAGE_MUTANTS_SEED picks which (a number; printed). That takes some 20 seconds each.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh

tool=$work/cargo-mutants
[ -x "$tool/bin/cargo-mutants" ] || cargo install --quiet --debug --locked cargo-mutants@27.1.0 --root "$tool"
mutants() { "$tool/bin/cargo-mutants" mutants --output "$work" --profile mutants --colors never --no-times "$@"; }

# A copy of the tree is changed, with a target folder of its own.
export TMPDIR=$targets
if [ -z "${TOKEN_STORAGE_MUTANTS:-}" ]; then
    mutants --package token-storage-core --minimum-test-timeout 60 \
        --file core/src/precondition.rs --file core/src/revision.rs \
        -- --lib --test conformance
    exit
fi

seed=${TOKEN_STORAGE_MUTANTS_SEED:-$RANDOM}
say "seed $seed"
mutants --list --workspace --file 'core/src/**' --file 'backends/*/src/**' --file 'src/manager/**' >"$work/all-mutants"
python3 - "$work/all-mutants" "$work/mutants.toml" "$seed" "$TOKEN_STORAGE_MUTANTS" <<'PYTHON'
import json, random, re, sys

every, config, seed, count = sys.argv[1:]
with open(every, encoding="utf-8") as lines:
    every = sorted(line.strip() for line in lines)
chosen = random.Random(int(seed)).sample(every, min(int(count), len(every)))
print(f"{len(chosen)} of {len(every)}")
# A name is shown as it stands, and looked for as a pattern.
patterns = ["^" + re.escape(name).replace(r"\ ", " ") + "$" for name in chosen]
with open(config, "w", encoding="utf-8") as out:
    out.write("examine_re = " + json.dumps(patterns) + "\n")
PYTHON
mutants --workspace --all-features --config "$work/mutants.toml" --minimum-test-timeout 300
