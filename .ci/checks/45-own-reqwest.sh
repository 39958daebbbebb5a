#!/usr/bin/env bash
# No feature of ours changes the HTTP client of the program that turns it on: a program with a reqwest of its own runs, be
# that without TLS or with it. And reqwest, whose features would be united with the program's, is no dependency of ours.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"
cd "$root"

export CARGO_TARGET_DIR=$targets/strangers
program=support/own-reqwest/Cargo.toml
cargo fmt --manifest-path "$program" --check
for features in "" tls; do
    say "the program's own client, features '$features'"
    said=$(cargo run --quiet --locked --manifest-path "$program" --features "$features")
    [ "$said" = "both clients work" ] || die "it said: $said"
done
# Variables, as a tree that could not be had is not one without it.
tree=$(cargo tree --locked -p token-storage --all-features -e normal --prefix none)
grep -q '^token-storage-core v' <<<"$tree" || die "cargo tree shows another tree than this check knows"
if grep -E '^reqwest v' <<<"$tree"; then
    die "token-storage pulls reqwest in"
fi
# A provider of rustls is only compiled in where that is asked for.
tree=$(cargo tree --locked -p token-storage --no-default-features --features oauth -e features,normal --prefix none)
grep -q '^rustls feature "' <<<"$tree" || die "cargo tree shows no features of rustls"
if grep -E '^rustls feature "(ring|aws_lc_rs)"' <<<"$tree"; then
    die "the feature oauth alone chooses a provider for rustls"
fi
