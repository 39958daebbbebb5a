#!/usr/bin/env bash
# Each example runs with nothing set up, and prints what its header says.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"
need curl curl
need node nodejs

# header FILE: what it says that it prints: the last `text` block of its first comment, or what follows "It prints:" in a script.
header() {
    case $1 in
    *.rs) awk '!/^\/\/!/ { exit } { sub(/^\/\/! ?/, "") } /^```/ { if (!inside) block = ""; inside = !inside; next }
        inside { block = block $0 "\n" } END { printf "%s", block }' "$1" ;;
    *) awk '!/^#/ { exit } /It prints:$/ { found = 1; next } found && /^#   / { sub(/^#   /, ""); print }' "$1" ;;
    esac
}

# shows FILE OUTPUT: fails unless they are the same.
shows() {
    local expected
    expected=$(header "$1")
    [ -n "$expected" ] || die "the header of $1 does not say what it prints"
    diff <(printf '%s\n' "$expected") <(printf '%s\n' "$2") || die "$1 prints something else than its header says"
    say "$1: as its header says"
}

while read -r name file arguments; do
    program=$(example "$name")
    read -ra arguments <<<"$arguments"
    said=$("$program" "${arguments[@]}")
    shows "$file" "$said"
done <<'EXAMPLES'
first_steps examples/first_steps.rs
fleet examples/fleet.rs
encrypted examples/encrypted.rs
custom_layer examples/custom_layer.rs
moving examples/moving.rs
reqwest_middleware integrations/http/examples/reqwest_middleware.rs
tower_layer integrations/http/examples/tower_layer.rs
web_service integrations/http/examples/web_service.rs
own_login cli/examples/own_login.rs try
EXAMPLES

the_programs
said=$(PROGRAMS=${CARGO_TARGET_DIR:-$root/target}/debug examples/scripts/try.sh)
shows examples/scripts/try.sh "$said"
