#!/usr/bin/env bash
# Keys in a real keyring of the operating system: gnome-keyring, on a bus of its own, without a desktop. An entry is made, used and
# changed, logged in with; it is missing, locked, damaged, there twice; the disk of the keyring is full. No key is in anything that the
# command says.
set -euo pipefail
here=$(realpath "$0")
if [ "${1:-}" = session ]; then
    # On the bus, where nothing is known of this folder and its git.
    die() {
        printf 'CI: %s\n' "$*" >&2
        exit 1
    }
else
    cd "$(dirname "$here")/../.."
    source .ci/lib.sh
fi

entry=keyring:token-storage-check/me

# run CODE SAYS COMMAND...: runs the command, which must end so and say that.
run() {
    local want=$1 says=$2 got=0
    shift 2
    # Nobody is there to be asked, and a question that waits for somebody must not look like work.
    timeout 300 "$token_storage" "$@" >"$folder/run" 2>&1 </dev/null || got=$?
    tee -a "$folder/said" <"$folder/run" >>"$folder/log"
    [ "$got" = "$want" ] || { cat "$folder/run" >&2; die "$*: it ended with $got and not with $want"; }
    grep -qF -- "$says" "$folder/run" || { cat "$folder/run" >&2; die "$*: it does not say: $says"; }
}

# holds TOKEN: that is what the encrypted storage has, and what the disk does not show.
holds() {
    [ "$("$token_storage" access-token rs)" = "$1" ] || die "the storage has lost $1"
    ! grep -rqF "$1" "$folder/tokens" || die "$1 is on the disk"
}

response() { printf '{"access_token":"%s","expires_in":86400,"resource_server":"rs"}' "$1" >"$folder/response.json"; }

unlock() { printf '%s' "$1" | gnome-keyring-daemon --unlock --components=secrets >>"$folder/log" 2>&1; }

keep_keys() { secret-tool lookup service token-storage-check username me >>"$folder/keys"; }

first_use() {
    unlock secret
    run 2 "is not there" key list "$entry"
    run 2 "is not there" get rs
    run 2 "a passphrase protects a file" key generate "$entry" --passphrase
    run 0 "is in the entry" key generate "$entry"
    run 2 "is there already" key generate "$entry"
    response canary-one
    run 0 "stored rs" store "$folder/response.json"
    holds canary-one
    # What was there before.
    run 0 "decrypted: 1 token" decrypt
    run 2 "token-storage encrypt" get rs
    run 0 "encrypted: 1 token" encrypt
    holds canary-one
    # Another key, and the end of the first.
    keep_keys
    old=$("$token_storage" key list "$entry" | cut -d ' ' -f 1)
    run 0 "writes from now on" key add "$entry"
    run 0 "sealed with an older key" doctor
    run 0 "sealed with the new key: 1 token" rotate-key
    run 0 "is removed" key remove "$entry" "$old" --yes
    run 2 "there is no key" key remove "$entry" "$old" --yes
    keep_keys
    holds canary-one
    run 0 "writes and reads" key list "$entry"
    # Another program's entry, and another key than the one that the token is sealed with.
    printf 'canary-junk' | secret-tool store --label=x service token-storage-check username junk
    run 2 "line 1: a key is base64" key list keyring:token-storage-check/junk
    run 2 "line 1: a key is base64" key add keyring:token-storage-check/junk
    [ "$(secret-tool lookup service token-storage-check username junk)" = canary-junk ] || die "another program's entry was changed"
    "$token_storage" key generate - | secret-tool store --label=x service token-storage-check username other
    run 2 'which is not in the entry "token-storage-check/other"' --key-from keyring:token-storage-check/other get rs
    # Twice: which of them is meant, nobody knows.
    secret-tool lookup service token-storage-check username me |
        secret-tool store --collection=session --label=x service token-storage-check username me
    run 2 "there are 2 entries" get rs
}

# The bus starts the keyring when it is asked for, and nobody has unlocked it.
locked() {
    run 2 "the keyring is locked" get rs
    run 2 "the keyring is locked" key list "$entry"
    run 2 "nothing was changed" key generate keyring:token-storage-check/new
}

wrong_password() {
    unlock another
    run 2 "the keyring is locked" get rs
}

full() {
    # Whoever writes a file gets an error instead of a signal.
    trap '' XFSZ
    (ulimit -f 0 && unlock secret 2>>"$folder/log") || die "the keyring does not start without room"
    "$token_storage" key list "$entry" >"$folder/before"
    run 6 "nothing was changed" key add "$entry"
    run 6 "nothing was changed" key generate keyring:token-storage-check/new
    "$token_storage" key list "$entry" | cmp - "$folder/before"
}

later() {
    unlock secret
    holds canary-one
    response canary-two
    run 0 "stored rs" store "$folder/response.json"
    holds canary-two
    run 2 "is not there" key list keyring:token-storage-check/new
}

# A login into the storage whose key is there, and what the login brought, used and refreshed.
log_in() {
    unlock secret
    run 0 "" login
    local rs=groups.api.globus.org first second
    first=$("$token_storage" access-token "$rs")
    holds_login "$first"
    second=$("$token_storage" access-token "$rs" --refresh)
    [ "$first" != "$second" ] || die "the login was not refreshed"
    holds_login "$second"
    run 0 "" logout "$rs"
    run 3 "" get "$rs"
}

holds_login() {
    [[ $1 =~ ^at-[0-9a-f]{32}$ ]] || die "this is no access token: $1"
    ! grep -rqE '(at|rt)-[0-9a-f]{32}' "$folder/tokens" || die "a token of the login is on the disk"
}

if [ "${1:-}" = session ]; then
    "$2"
    exit
fi

need dbus-run-session dbus
need gnome-keyring-daemon gnome-keyring
need secret-tool libsecret-tools
need curl curl
# The package lets the daemon lock memory; where a container may not, that keeps it from starting at all.
gnome-keyring-daemon --version >/dev/null 2>&1 || {
    need setcap libcap2-bin
    setcap -r "$(command -v gnome-keyring-daemon)"
}
the_programs
server_program=$(example auth_server)
# Sockets have short names.
folder=$(mktemp -d /tmp/token-storage-keyring.XXXXXX)
trap 'rm -rf "$folder"' EXIT
mkdir -m 700 "$folder/home" "$folder/run-time" "$folder/tokens"
coproc server { exec "$server_program" --auto-approve; }
read -r server_url <&"${server[0]}"
# A browser whose person agrees at once.
cat >"$folder/browser" <<'EOF'
#!/bin/sh
curl --silent --show-error --fail --noproxy '*' --location --data "${1#*\?}&decision=approve" "${1%%\?*}/decision"
EOF
chmod +x "$folder/browser"

# clean COMMAND...: without a session, a screen, or anything else of whoever runs this.
clean() {
    env --ignore-environment --chdir="$folder/tokens" PATH="$PATH" HOME="$folder/home" LC_ALL=C \
        folder="$folder" token_storage="${CARGO_TARGET_DIR:-$root/target}/debug/token-storage" \
        GLOBUS_SDK_SERVICE_URL_AUTH="$server_url" GLOBUS_SDK_SERVICE_URL_GROUPS="$server_url" TOKEN_STORAGE_CLIENT_ID=native-client \
        BROWSER="$folder/browser" TOKEN_STORAGE_KEY_FROM="$entry" TOKEN_STORAGE_URL="encrypted+sqlite:$folder/tokens/tokens.db" "$@"
}

# session STEPS: on a bus of its own.
session() {
    say "keyring: $1"
    clean XDG_RUNTIME_DIR="$folder/run-time" dbus-run-session -- bash "$here" session "$1" 2>"$folder/bus" || {
        cat "$folder/bus" >&2
        tail -n 40 "$folder/log" >&2
        die "keyring: $1 failed"
    }
}

session first_use
session locked
session wrong_password
session full
session later
session log_in

say "keyring: without a bus"
token_storage=${CARGO_TARGET_DIR:-$root/target}/debug/token-storage
for arguments in "get rs" "key list $entry" "key generate $entry"; do
    got=0
    # shellcheck disable=SC2086
    clean DBUS_SESSION_BUS_ADDRESS="unix:path=$folder/none" "$token_storage" $arguments >>"$folder/said" 2>"$folder/error" || got=$?
    cat "$folder/error" >>"$folder/said"
    [ "$got" = 2 ] || die "without a bus: $arguments ended with $got"
    grep -qF "there is no keyring of the operating system here" "$folder/error" || die "without a bus: $(cat "$folder/error")"
    grep -qF "key generate PATH --passphrase" "$folder/error" || die "without a bus no alternative is named"
done

[ "$(wc -l <"$folder/keys")" -ge 2 ] || die "no keys were found in the keyring, so nothing was looked for"
! grep -qFf "$folder/keys" "$folder/said" || die "a key is in what the command said"
! grep -qF canary-junk "$folder/said" || die "the entry of another program is in what the command said"
say "keyring: made, used, changed, logged in with, locked, damaged, doubled, full: each as docs/cli.md says; no key was shown"
