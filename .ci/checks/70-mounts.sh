#!/usr/bin/env bash
# Files as containers mount them, in mount namespaces, and others that cannot be replaced. On a developer's machine these
# tests leave out aloud what cannot be had there; here nothing is left out. Needs to be run as root.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
need unshare util-linux
need setpriv util-linux
need chattr e2fsprogs
TOKEN_STORAGE_REQUIRE_MOUNTS=1 cargo test --quiet "${everything[@]}" --test mounts
