#!/usr/bin/env bash
# The command at two authorization servers that nobody here wrote: npm's `oidc-provider` and PyPI's Authlib. Login, refresh
# by twelve commands at once with one request, refusal, logout; all on loopback. Needs node, and the first time npm and PyPI.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
need node nodejs
need npm npm
version=9.13.3
servers=$root/support/foreign-servers
modules=$work/foreign-servers
cargo build --quiet "${everything[@]}" --bin token-storage
token_storage=${CARGO_TARGET_DIR:-$root/target}/debug/token-storage

if [ "$(cat "$modules/version" 2>/dev/null)" != "$version" ]; then
    rm -rf "$modules"
    mkdir -p "$modules"
    npm install --prefix "$modules" --silent --no-audit --no-fund --ignore-scripts "oidc-provider@$version"
    printf '%s\n' "$version" >"$modules/version"
fi
# Its modules are found beside it.
cp "$servers/oidc-provider.mjs" "$modules/"
venv=$(python_env foreign-servers authlib==1.9.10 flask==3.1.3)

# drive NAME SERVER...
drive() {
    local said
    said=$(python3 -B "$servers/drive.py" "$token_storage" "${@:2}") || die "$1: the command and the server do not get along"
    say "$1: $said"
}
drive "oidc-provider $version" node "$modules/oidc-provider.mjs"
drive "Authlib 1.9.10" "$venv/bin/python" -B "$servers/authlib-server.py"
