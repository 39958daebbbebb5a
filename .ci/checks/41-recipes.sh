#!/usr/bin/env bash
# The recipes of docs/cli.md do what they say, in their order, against the test server in place of Globus.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
need curl curl
need git git

scope=urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships
the_programs
PATH=${CARGO_TARGET_DIR:-$root/target}/debug:$PATH
program=$(example auth_server)
folder=$(mktemp -d "$work/recipes.XXXXXX")
trap 'rm -rf "$folder"' EXIT
# Tokens last for 30 s, too short to be handed out without a refresh.
coproc server { exec "$program" --lifetime 30 --issue "$scope" --issue read; }
read -r url <&"${server[0]}"
export TOKEN_STORAGE_ISSUER=$url TOKEN_STORAGE_CLIENT_ID=native-client TOKEN_STORAGE_URL=json:$folder/old.json
export HOME=$folder NO_PROXY=127.0.0.1 GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
unset XDG_CONFIG_HOME GIT_CONFIG_GLOBAL

# recipe NUMBER: prints it, with the test server's address for that of Globus.
recipe() {
    awk -v wanted="$1" '/^<!-- recipe -->$/ { number++; next } number == wanted && /^```/ { inside = !inside; next }
        number == wanted && inside' "$root/docs/cli.md" | sed "s|https://groups.api.globus.org|$url|"
}

# is_groups TEXT: whether the groups service answered.
is_groups() { python3 -c 'import json, sys; sys.exit(len(json.loads(sys.argv[1])) != 2)' "$1"; }

read -r response <&"${server[0]}"
token-storage store <<<"$response" >/dev/null
read -r response <&"${server[0]}"
sed 's/"resource.example.org"/"git.example.org"/' <<<"$response" | token-storage store >/dev/null

cd "$folder"
[ "$(grep -c '^<!-- recipe -->$' "$root/docs/cli.md")" = 5 ] || die "there are other recipes than this check knows"
is_groups "$(sh -c "$(recipe 1)")" || die "the recipe for curl does not work"
is_groups "$(sh -c "$(recipe 2)")" || die "the recipe with exec does not work"

sh -c "$(recipe 3)"
password=$(printf 'protocol=https\nhost=git.example.org\n\n' | git credential fill | sed -n 's/^password=//p')
token=$(token-storage access-token git.example.org --no-refresh)
[ -n "$token" ] && [ "$password" = "$token" ] || die "git did not get the token from the recipe"
printf 'protocol=https\nhost=git.example.org\nusername=oauth2\npassword=%s\n\n' "$password" | git credential approve
token-storage logout git.example.org >/dev/null
if printf 'protocol=https\nhost=git.example.org\n\n' | git credential fill 2>/dev/null; then
    die "git got a password although nobody is logged in"
fi

stored=$(sh -c "$(recipe 4)"'; printf %s "$TOKEN_STORAGE_ACCESS_TOKEN"')
[ "$stored" = "$(token-storage access-token groups.api.globus.org --no-refresh)" ] || die "the recipe with eval does not work"
sh -c "$(recipe 5)" >/dev/null
[ "$(token-storage --storage sqlite:new.db access-token groups.api.globus.org --no-refresh)" = "$stored" ] ||
    die "the recipe for moving a token does not work"
say "5 recipes work"
