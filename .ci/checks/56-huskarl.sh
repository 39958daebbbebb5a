#!/usr/bin/env bash
# A program whose logins are huskarl's, over our storage and our refresh: `examples/huskarl-login` at npm's `oidc-provider`,
# which insists on PAR, DPoP and a client that signs; all on loopback. Needs Rust 1.92 and node, and the first time npm.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
servers=$root/support/foreign-servers
modules=$(oidc_provider)
cp "$servers/strict-provider.mjs" "$modules/"

example=$root/examples/huskarl-login/Cargo.toml
target=$targets/strangers
cargo fmt --manifest-path "$example" --check
cargo clippy --quiet --locked --manifest-path "$example" --target-dir "$target" -- -D warnings
cargo build --quiet --locked --manifest-path "$example" --target-dir "$target"

# The client's key, made for this run.
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT
node - "$keys" <<'NODE'
const { generateKeyPairSync } = require('node:crypto');
const { writeFileSync } = require('node:fs');
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const named = (key) => JSON.stringify({ ...key.export({ format: 'jwk' }), alg: 'ES256', kid: 'client-key-1', use: 'sig' });
writeFileSync(`${process.argv[2]}/public.jwk`, named(publicKey));
writeFileSync(`${process.argv[2]}/private.jwk`, named(privateKey), { mode: 0o600 });
NODE
said=$(python3 -B "$servers/drive-huskarl.py" "$target/debug/huskarl-login" node "$modules/strict-provider.mjs" \
    "$(cat "$keys/public.jwk")" "$keys/private.jwk") || die "huskarl and the server do not get along"
say "huskarl at oidc-provider $(cat "$modules/version"): $said"
