#!/usr/bin/env bash
# Rust logs in and refreshes, the real Globus Python SDK refreshes by its own RefreshTokenAuthorizer, in turn and on one
# file; the authorization server is strict: a refresh token that comes twice would revoke everything.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
need curl curl

groups=groups.api.globus.org
scope=urn:globus:auth:scope:$groups:view_my_groups_and_memberships
rounds=3
the_programs
token_storage=${CARGO_TARGET_DIR:-$root/target}/debug/token-storage
program=$(example auth_server)
folder=$(mktemp -d "$work/groups-python.XXXXXX")
trap 'rm -rf "$folder"' EXIT
export GLOBUS_SDK_ENVIRONMENT="" TOKEN_STORAGE_CLIENT_ID=native-client NO_PROXY=127.0.0.1

# log: how many requests in the server's log have this in them.
log() { curl --silent --fail --noproxy '*' "$url/_test/log" | python3 -c '
import json, sys
print(sum(all(entry[name] == value for name, value in (pair.split("=") for pair in sys.argv[1:])) for entry in json.load(sys.stdin)))' "$@"; }

# alternate PYTHON GENERATION KIND: a login, then each side in turn refreshes and uses what the other one stored. Tokens
# last for 30 s, which is too short for Python: it refreshes for each header. Rust would use them up, and is told to refresh.
alternate() {
    local python=$1 generation=$2 kind=$3 file=$folder/$RANDOM-$3 names before after
    coproc server { exec "$program" --lifetime 30; }
    # Bash forgets its own variable of it as soon as it ends.
    local server_pid=$server_PID
    read -r url <&"${server[0]}"
    export GLOBUS_SDK_SERVICE_URL_AUTH=$url GLOBUS_SDK_SERVICE_URL_GROUPS=$url TOKEN_STORAGE_URL=$kind:$file
    log_in
    for _ in $(seq "$rounds"); do
        before=$(refreshes)
        "$token_storage" access-token "$groups" --refresh >/dev/null
        "$token_storage" groups >"$folder/rust.csv"
        after=$(refreshes)
        [ "$after" = $((before + 1)) ] || die "$kind: Rust did not refresh once but $((after - before)) times"
        grep -qF "\"Ada's \"\"Engines\"\", Ltd\"" "$folder/rust.csv" || die "$kind: Rust did not print the groups"
        names=$("$python" -B -W error::ResourceWarning cli/tests/python/authorizer.py "$generation" "$kind" "$file" "$groups")
        [ "$(refreshes)" -gt "$after" ] || die "$kind: Python did not refresh"
        grep -qF "Ada's \"Engines\", Ltd" <<<"$names" || die "$kind: Python did not see the groups"
    done
    "$token_storage" logout "$groups" >/dev/null
    [ "$(log outcome=ReuseDetected)" = 0 ] || die "$kind: a refresh token was spent twice"
    say "globus-sdk $("$python" -c 'import globus_sdk; print(globus_sdk.__version__)'), $generation $kind: $(refreshes) refreshes in turn, 0 reuse detections"
    # The server ends when its standard input does.
    eval "exec ${server[1]}>&-"
    wait "$server_pid"
}

# A login on another device, approved here in its place. As at any server: Globus itself has no such flow.
log_in() {
    local line code="" login
    rm -f "$folder/login"
    mkfifo "$folder/login"
    GLOBUS_SDK_SERVICE_URL_AUTH="" "$token_storage" login --issuer "$url" --device --scope "openid $scope" >/dev/null 2>"$folder/login" &
    login=$!
    exec 3<"$folder/login"
    while [ -z "$code" ] && read -r line <&3; do
        code=$(sed -n 's/.*user_code=//p' <<<"$line")
    done
    [ -n "$code" ] || die "login did not say which code to enter"
    curl --silent --fail --noproxy '*' --output /dev/null --data "user_code=$code&decision=approve" "$url/device"
    cat <&3 >/dev/null
    wait "$login" || die "the login failed"
    exec 3<&-
}

refreshes() { log endpoint=Token grant_type=refresh_token outcome=Issued; }

for version in 4 3; do
    venv=$(python_env "globus-$version" "globus-sdk>=$version,<$((version + 1))")
    alternate "$venv/bin/python" new json
    alternate "$venv/bin/python" new sqlite
    alternate "$venv/bin/python" legacy sqlite
done
