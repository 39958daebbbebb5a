#!/usr/bin/env bash
# Key files under a key of AWS KMS, by the command, at an emulator (moto) over HTTP: made, used, changed, moved to another key of KMS;
# swapped, cut off, under another key, another context; the service gone in the middle. Requests are counted.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
source .ci/dynamodb.sh

the_programs
token_storage=${CARGO_TARGET_DIR:-$root/target}/debug/token-storage
folder=$(mktemp -d)
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$folder"' EXIT
start_moto
moto=$endpoint
python=$(python_env moto 'moto[server]==5.2.5')/bin/python

# kms CALL: calls boto3's client.
kms() {
    "$python" -c 'import sys, boto3; kms = boto3.client("kms", region_name="eu-central-1", endpoint_url=sys.argv[1]); eval(sys.argv[2])' \
        "$moto" "$1"
}

for name in one two; do
    kms "kms.create_alias(AliasName='alias/$name', TargetKeyId=kms.create_key()['KeyMetadata']['KeyId'])"
done

# under KEY FILE ...MORE: how it is named.
under() { printf 'kms:alias/%s?file=%s&region=eu-central-1&endpoint=%s%s' "$1" "$folder/$2" "$moto" "${3:-}"; }

# requests: how many the emulator has seen so far.
requests() { grep -c 'POST / HTTP' "$work/moto.log" || true; }

# run CODE REQUESTS SAYS COMMAND...: runs the command, which must end so, ask KMS so often (`-`: however often) and say that.
run() {
    local want=$1 asks=$2 says=$3 got=0 before
    shift 3
    before=$(requests)
    timeout 120 "$token_storage" "$@" >"$folder/run" 2>&1 </dev/null || got=$?
    cat "$folder/run" >>"$folder/said"
    [ "$got" = "$want" ] || { cat "$folder/run" >&2; die "$*: it ended with $got and not with $want"; }
    grep -qF -- "$says" "$folder/run" || { cat "$folder/run" >&2; die "$*: it does not say: $says"; }
    [ "$asks" = - ] || [ $(($(requests) - before)) = "$asks" ] || die "$*: $(($(requests) - before)) requests and not $asks"
}

export TOKEN_STORAGE_URL=encrypted+sqlite:$folder/tokens.db
TOKEN_STORAGE_KEY_FROM=$(under one key)
export TOKEN_STORAGE_KEY_FROM
for name in one two three; do
    printf '{"access_token":"canary-%s","expires_in":86400,"resource_server":"%s"}' "$name" "$name" >"$folder/$name.json"
done

# holds KEY FILE: all tokens are read with it, and none is on the disk.
holds() {
    local name
    for name in one two three; do
        [ "$("$token_storage" --key-from "$(under "$1" "$2")" access-token "$name")" = "canary-$name" ] || die "$name is lost"
    done
    ! grep -qaF canary "$folder"/tokens.db* || die "a token is on the disk"
    ! grep -qxE '[A-Za-z0-9+/=_-]{43,44}' "$folder/$2" || die "a key is on the disk"
}

say "kms: made and used"
run 2 0 "is not there" list
run 2 0 "a passphrase protects" key generate "$(under one key)" --passphrase
run 2 1 "KMS key alias/nobody in eu-central-1" key generate "$(under nobody key)"
[ ! -e "$folder/key" ] || die "a key file was made without KMS"
run 0 1 "under KMS key alias/one in eu-central-1" key generate "$(under one key)"
run 2 0 "is there already" key generate "$(under one key)"
run 0 1 "stored one" store "$folder/one.json"
run 0 1 "stored two" store "$folder/two.json"
run 0 1 "stored three" store "$folder/three.json"
holds one key
run 2 0 "no passphrase protects its keys" --key-from "file:$folder/key" get one
run 2 0 "no passphrase protects its keys" key list "$folder/key"

say "kms: one request, also where a storage is opened twice"
apart=encrypted+sqlite:$folder/apart.db
printf '{"access_token":"canary-old","expires_at_seconds":1000,"resource_server":"old"}' >"$folder/old.json"
run 0 1 "stored old" store "$folder/old.json" --storage "$apart"
run 4 1 "expired" access-token old --storage "$apart"
run 0 1 "1 record" doctor --storage "$apart"
run 0 1 "moved" migrate "$apart" "encrypted+sqlite:$folder/moved.db"
# The last one: what is left of it is looked for.
run 0 1 "removed old" remove old --storage "$apart"
# What is refused takes no new data key.
run 2 1 "there is no key" key remove "$(under one key)" 0123456789abcdef --yes

say "kms: rotation"
old=$("$token_storage" key list "$(under one key)" | cut -d ' ' -f 1)
cp "$folder/key" "$folder/before"
run 0 2 "writes from now on; 1 more read" key add "$(under one key)"
run 0 1 "sealed with the new key: 3 tokens" rotate-key
run 0 2 "is removed" key remove "$(under one key)" "$old" --yes
holds one key
run 2 - "which is not in the key file" --key-from "$(under one before)" get one

say "kms: to another key of KMS"
run 6 1 "KMS key alias/two in eu-central-1" --key-from "$(under two key)" get one
run 0 3 "writes from now on" key add "$(under two key '&old=alias/one')"
run 6 1 "KMS key alias/one in eu-central-1" get one
TOKEN_STORAGE_KEY_FROM=$(under two key)
run 0 1 "sealed with the new key: 3 tokens" rotate-key
holds two key

say "kms: as an attacker"
"$token_storage" key generate "$(under two other '&context=other')" >>"$folder/said" 2>&1
# The same key of KMS, and another application's file.
run 2 1 "another \`context\`" --key-from "$(under two other)" get one
run 2 1 "which is not in the key file" --key-from "$(under two other '&context=other')" get one
# What is wrapped of one file, what is sealed of another.
"$token_storage" key generate "$(under two third)" >>"$folder/said" 2>&1
python3 - "$folder" <<'PYTHON'
import base64, pathlib, sys
folder = pathlib.Path(sys.argv[1])
line = lambda name: next(l for l in (folder / name).read_text().splitlines() if l.startswith("token-storage-keys:")).split(":", 4)
def write(name, *parts):
    (folder / name).write_text(":".join(parts) + "\n")
    (folder / name).chmod(0o600)
head, mine, other = line("key")[:3], line("key"), line("third")
write("swapped", *head, other[3], mine[4])
write("swapped-back", *head, mine[3], other[4])
blob = base64.urlsafe_b64decode(mine[3] + "==")
encoded = lambda blob: base64.urlsafe_b64encode(blob).rstrip(b"=").decode()
write("cut", *head, encoded(blob[: len(blob) // 2]), mine[4])
write("changed", *head, encoded(blob[:-1] + bytes([blob[-1] ^ 1])), mine[4])
write("empty", *head, "", mine[4])
write("no-base64", *head, "!" + mine[3], mine[4])
write("unsealed", *head, mine[3])
write("later", head[0], "2", head[2], mine[3], mine[4])
PYTHON
for file in swapped swapped-back; do
    run 2 1 "put together from two files" --key-from "$(under two "$file")" get one
done
for file in cut changed empty; do
    run 2 - "KMS key alias/two in eu-central-1" --key-from "$(under two "$file")" get one
done
for file in no-base64 unsealed; do
    run 2 0 "damaged" --key-from "$(under two "$file")" get one
done
run 2 0 "is not under KMS key alias/two" --key-from "$(under two later)" get one
# A plain key in place of the wrapped ones.
"$token_storage" key generate "$folder/plain" >>"$folder/said" 2>&1
run 2 0 "is not under KMS key alias/two" --key-from "$(under two plain)" get one
holds two key

say "kms: the service goes"
run 0 2 "writes from now on; 2 more read" key add "$(under two key)"
cp "$folder/key" "$folder/before"
# While its lock is held by somebody, rotate-key has its key and waits for the database. Its first call of the storage tells that it has
# the key: moto's log has the request before the answer is sent.
"$python" - "$folder" "$token_storage" "${started[-1]}" <<'PYTHON'
import os, signal, sqlite3, subprocess, sys
folder, command, moto = sys.argv[1:]
database = sqlite3.connect(folder + "/tokens.db", isolation_level=None)
database.execute("BEGIN IMMEDIATE")
arguments = [command, "rotate-key", "--storage", f"encrypted+traced+sqlite:{folder}/tokens.db"]
rotating = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
said = ""
for line in rotating.stdout:
    said += line
    if "operation=" in line:
        break
os.kill(int(moto), signal.SIGKILL)
database.execute("COMMIT")
said += rotating.stdout.read()
rotating.wait()
if rotating.returncode or "sealed with the new key: 3 tokens" not in said:
    sys.exit(f"rotate-key without KMS: {rotating.returncode}: {said}")
PYTHON
run 6 - "cannot be reached" get one
grep -qF "KMS key alias/two in eu-central-1 at $moto" "$folder/run" || die "who cannot be reached is not said"
run 6 - "cannot be reached" key add "$(under two key)"
run 6 - "cannot be reached" key generate "$(under two new)"
cmp "$folder/key" "$folder/before" || die "the key file was changed without KMS"
[ ! -e "$folder/new" ] || die "a key file was made without KMS"
# What needs no key goes on.
TOKEN_STORAGE_KEY_FROM="" run 0 - "removed" remove one --storage "sqlite:$folder/tokens.db"
AWS_ENDPOINT_URL=http://192.0.2.1 run 2 - "not on this machine" --key-from "kms:alias/two?file=$folder/key&region=x" get two
run 2 - "not on this machine" --key-from "kms:alias/two?file=$folder/key&endpoint=http://192.0.2.1" get two

! grep -qF canary "$folder/said" || die "a token is in what the command said"
say "kms: each as docs/cli.md says, with one request a process"
