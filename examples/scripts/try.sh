#!/usr/bin/env bash
# Runs the programs beside this one, which get their tokens from the command `token-storage`: against a strict server of its own
# on this machine, with a login whose token has expired, so that the first of them makes the command refresh it. It prints:
#
#   shell: 2 groups
#   python: 2 groups
#   node: 2 groups
#   refreshes: 1
#
# It needs Rust, or in PROGRAMS a folder with `token-storage` and `test-auth-server`; and curl, Python 3 or Node.js for the
# programs of that name, which are skipped without.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

if [ -z "${PROGRAMS:-}" ]; then
    cargo build --quiet --locked -p token-storage-cli -p token-storage-auth-testing --bins
    PROGRAMS=${CARGO_TARGET_DIR:-$PWD/target}/debug
fi
PATH=$PROGRAMS:$PATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
scope=urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships
coproc server { exec test-auth-server serve --issue "$scope"; }
read -r url <&"${server[0]}"
read -r response <&"${server[0]}"
export TOKEN_STORAGE_URL=sqlite:$folder/tokens.db TOKEN_STORAGE_ISSUER=$url TOKEN_STORAGE_CLIENT_ID=native-client
export GROUPS_URL=$url/v2/groups/my_groups NO_PROXY=127.0.0.1
# A login of a while ago.
sed 's/"expires_in": *[0-9]*/"expires_in":0/' <<<"$response" | token-storage store --resource-server groups.api.globus.org >/dev/null

# try NAME NEEDS COMMAND...
try() {
    local name=$1 needs=$2
    shift 2
    if command -v "$needs" >/dev/null; then
        printf '%s: %s\n' "$name" "$("$@")"
    else
        printf 'SKIPPED: %s, as there is no %s\n' "$name" "$needs"
    fi
}
try shell curl "$here/groups.sh"
try python python3 "$here/groups.py"
try node node "$here/groups.mjs"
echo "refreshes: $(curl --silent "$url/_test/log" | grep -o '"refresh_token"' | wc -l)"
kill "$server_PID"
