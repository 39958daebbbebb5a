#!/usr/bin/env bash
# The command at two authorization servers that nobody here wrote: npm's `oidc-provider` and PyPI's Authlib. Login, refresh
# by twelve commands at once with one request, refusal, logout; all on loopback. Needs node, and the first time npm and PyPI.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
servers=$root/support/foreign-servers
modules=$(oidc_provider)
the_programs
token_storage=${CARGO_TARGET_DIR:-$root/target}/debug/token-storage

# Its modules are found beside it.
cp "$servers/oidc-provider.mjs" "$modules/"
venv=$(python_env foreign-servers authlib==1.9.10 flask==3.1.3)

# drive NAME SERVER...
drive() {
    local said
    said=$(python3 -B "$servers/drive.py" "$token_storage" "${@:2}") || die "$1: the command and the server do not get along"
    say "$1: $said"
}
drive "oidc-provider $(cat "$modules/version")" node "$modules/oidc-provider.mjs"
drive "Authlib 1.9.10" "$venv/bin/python" -B "$servers/authlib-server.py"
