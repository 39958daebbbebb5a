#!/usr/bin/env bash
# Runs each fuzz target on its seeds and for a moment more. TOKEN_STORAGE_FUZZ_RUNS says how many executions (0: until
# something is found). By default it is the same moment each time: a change fails for what it changed, not by chance.
# TOKEN_STORAGE_FUZZ_SEED=0 takes another one. What crashes lies in fuzz/artifacts and is printed; make a test of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh

runs=${TOKEN_STORAGE_FUZZ_RUNS:-20000}
seed=${TOKEN_STORAGE_FUZZ_SEED:-20261128}
tool=$work/cargo-fuzz
[ -x "$tool/bin/cargo-fuzz" ] || cargo install --quiet --debug --locked cargo-fuzz@0.13.2 --root "$tool"
# What libFuzzer counts by comes from the compiler behind flags that only a nightly one accepts openly. Without a sanitizer
# the standard library is not built anew.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=$targets/fuzz
fuzz() { "$tool/bin/cargo-fuzz" fuzz "$@"; }
options=(--sanitizer none --fuzz-dir fuzz --features dynamodb,oauth)

fuzz build "${options[@]}"
for file in fuzz/targets/*.rs; do
    target=$(basename "$file" .rs)
    corpus=$work/corpus/$target
    # What an earlier run has found would make it another moment.
    [ "$seed" = 0 ] || rm -rf "$corpus"
    mkdir -p "$corpus"
    seeds=()
    for folder in "fuzz/seeds/$target" ; do [ ! -d "$folder" ] || seeds+=("$folder"); done
    case $target in
        json_file) seeds+=(backends/json/tests/fixtures) ;;
        sqlite_file) seeds+=(backends/sqlite/tests/fixtures) ;;
    esac
    # Files take far longer than texts.
    case $target in
        sqlite_file) count=$((runs / 20)) ;;
        *_file | *_row | *_item) count=$((runs / 10)) ;;
        *) count=$runs ;;
    esac
    say "$target: $count executions"
    fuzz run "${options[@]}" "$target" "$corpus" "${seeds[@]}" -- \
        -seed="$seed" -runs="$count" -max_len=32768 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 2>"$work/fuzz-$target.log" ||
        {
            tail -n 40 "$work/fuzz-$target.log" >&2
            for input in "fuzz/artifacts/$target"/*; do
                say "$input, for base64 -d | gunzip:"
                gzip -9 <"$input" | base64 >&2
            done
            die "$target: see above"
        }
    grep -E 'number_of_executed_units|average_exec_per_sec' "$work/fuzz-$target.log"
done
