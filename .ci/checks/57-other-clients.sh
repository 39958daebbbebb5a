#!/usr/bin/env bash
# The crates for users of other OAuth clients, a workspace of their own: format, lints, tests at the strict server, documentation.
# Needs Rust 1.92.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

clients=integrations/clients/Cargo.toml
target=$targets/strangers
cargo fmt --manifest-path "$clients" --all --check
cargo clippy --quiet --locked --manifest-path "$clients" --target-dir "$target" --workspace --all-targets -- -D warnings
cargo test --quiet --locked --manifest-path "$clients" --target-dir "$target" --workspace
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --manifest-path "$clients" --target-dir "$target" --workspace --no-deps
