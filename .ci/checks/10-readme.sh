#!/usr/bin/env bash
# The README's first commands do in a new home what they say: the token lands in a real SQLite file.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

home=$work/readme
rm -rf "$home"
mkdir -p "$home"
export XDG_DATA_HOME=$home
unset TOKEN_STORAGE_URL TOKEN_STORAGE_NAMESPACE

commands=$(sed -n '/^<!-- run by .ci\/checks\/10-readme.sh -->$/,/^```$/p' README.md | grep -v -e '^<!--' -e '^```')
[ "$(wc -l <<<"$commands")" -ge 2 ] || die "the README's first commands are not where this check looks for them"
while read -r command; do
    say "\$ $command"
    eval "$command" >"$work/readme.out"
    cat "$work/readme.out"
done <<<"$commands"

grep -q '^resource server  *groups.api.globus.org$' "$work/readme.out" || die "the stored token was not read back"
! grep -q example-access-token "$work/readme.out" || die "a token was shown without being asked for"
[ "$(head -c 15 "$home/token-storage/tokens.db")" = "SQLite format 3" ] || die "there is no SQLite file"
[ "$(stat -c %a "$home/token-storage/tokens.db")" = 600 ] || die "the SQLite file is not its owner's only"
[ "$(stat -c %a "$home/token-storage")" = 700 ] || die "the folder is not its owner's only"

# The README's picture shows what the command says now; times are those of the day when it was recorded.
without_times() { sed -E 's/[0-9-]{10}T[0-9:]{8}Z \(in [^)]*\)/TIME/'; }
python3 docs/record.py "${CARGO_TARGET_DIR:-target}/debug/token-storage" | without_times >"$work/session.svg"
without_times <docs/session.svg | diff - "$work/session.svg" ||
    die "docs/session.svg is older than the command: docs/record.py PROGRAM > docs/session.svg"
