#!/usr/bin/env bash
# A real browser logs in: Chromium, without a screen, is opened by the command, agrees at the server's page, is sent back
# to the command's port, and shows the closing page. Screenshots of it are left for people in target/ci/login.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
need chromium chromium
need curl curl

the_programs
token_storage=${CARGO_TARGET_DIR:-$root/target}/debug/token-storage
program=$(example auth_server)
pictures=$work/login
folder=$(mktemp -d "$work/login-browser.XXXXXX")
trap 'rm -rf "$folder"' EXIT
rm -rf "$pictures"
mkdir -p "$pictures"
mkfifo "$folder/closed"

coproc server { exec "$program" --auto-approve; }
# Bash forgets its own variable of it as soon as it ends.
server_pid=$server_PID
read -r url <&"${server[0]}"
export GLOBUS_SDK_ENVIRONMENT="" GLOBUS_SDK_SERVICE_URL_AUTH=$url GLOBUS_SDK_SERVICE_URL_GROUPS=$url
export TOKEN_STORAGE_CLIENT_ID=native-client NO_PROXY=127.0.0.1
export BROWSER=$folder/browser

# A new profile each time: nothing remembered. WHEN_ASKED is what happens while the person is at it.
cat >"$BROWSER" <<EOF
#!/usr/bin/env bash
\$WHEN_ASKED
chromium --headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run \\
    --disable-background-networking --disable-component-update --disable-sync --no-proxy-server \\
    --user-data-dir="\$(mktemp -d "$folder/profile.XXXXXX")" --window-size=1000,640 --virtual-time-budget=30000 \\
    \$CHROMIUM_MORE --screenshot="$folder/page.png" --dump-dom "\$1" >"$folder/page.html" 2>"$folder/chromium.log"
echo "\$?" >"$folder/closed"
EOF
chmod +x "$BROWSER"

# log WORD: how many lines of the server's log have it.
log() { curl --silent --fail --noproxy '*' "$url/_test/log" | grep -o "$1" | wc -l; }

# browse NAME EXIT COMMAND...: runs the command, which must end so, and waits until the browser has shown its last page.
browse() {
    local name=$1 want=$2 got=0 code
    shift 2
    "$@" >"$folder/out" 2>"$folder/err" || got=$?
    read -r -t 600 code <>"$folder/closed" || { cat "$folder/err" >&2; die "$name: the browser did not end"; }
    [ "$code" = 0 ] || { tail -n 5 "$folder/chromium.log" >&2; die "$name: the browser failed"; }
    [ "$got" = "$want" ] || { cat "$folder/err" >&2; die "$name: the command ended with $got and not with $want"; }
    mv "$folder/page.png" "$pictures/$name.png"
    ! grep -qE '(at|rt|code)-[0-9a-f]{32}|eyJ' "$folder/page.html" "$folder/out" "$folder/err" || die "$name: a secret was shown"
    ! grep -qE '<script|src=|href=' "$folder/page.html" || die "$name: the page loads something"
}

shows() { grep -qF "$1" "$folder/page.html" || { cat "$folder/page.html" >&2; die "the page does not say: $1"; }; }

for kind in json sqlite; do
    browse "$kind" 0 "$token_storage" --storage "$kind:$folder/tokens.$kind" login
    shows "You are logged in"
    # By what was stored, and nothing else.
    groups=$("$token_storage" --storage "$kind:$folder/tokens.$kind" groups </dev/null)
    grep -qF "Ada's" <<<"$groups" || die "$kind: no groups"
    say "$kind: logged in with $(chromium --version 2>/dev/null | cut -d' ' -f1,2)"
done

# A disk that is full is noticed before anybody is asked.
got=0
(ulimit -S -f 0 && exec "$token_storage" --storage "json:$folder/full.json" login) 2>&1 | cat >"$folder/out" || got=$?
[ "$got" = 6 ] || die "the command ended with $got and not with 6 on a full disk"
grep -qF "nobody was asked to log in" "$folder/out" || { cat "$folder/out" >&2; die "the command does not say that nobody was asked"; }
[ ! -e "$folder/closed" ] || [ ! -s "$folder/closed" ] || die "the browser was opened all the same"

CHROMIUM_MORE=--blink-settings=preferredColorScheme=0 WHEN_ASKED="mkdir $folder/lost.json" \
    browse failed-dark 2 "$token_storage" --storage "json:$folder/lost.json" login
shows "You are not logged in"
shows "they were revoked"
grep -qF "they were revoked" "$folder/err" || die "the command does not say what became of the tokens"
[ "$(log '"Revoke"')" -ge 4 ] || die "the tokens that could not be stored were not revoked"
CHROMIUM_MORE=--blink-settings=preferredColorScheme=0 \
    browse dark 0 "$token_storage" --storage "json:$folder/dark.json" login --json
say "a full disk: nobody is asked; tokens that cannot be stored: revoked, and told in the browser; screenshots in $pictures"
# The server ends when its standard input does.
eval "exec ${server[1]}>&-"
wait "$server_pid"
