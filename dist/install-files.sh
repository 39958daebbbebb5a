#!/bin/sh
# Writes the manual pages and the completions of the command below a folder such as /usr/local, for packagers:
#   dist/install-files.sh PREFIX [PROGRAM]
set -eu
prefix=${1:?usage: dist/install-files.sh PREFIX [PROGRAM]}
program=${2:-token-storage}
mkdir -p "$prefix/share/man/man1" "$prefix/share/bash-completion/completions" "$prefix/share/zsh/site-functions" \
    "$prefix/share/fish/vendor_completions.d"
"$program" man --all "$prefix/share/man/man1"
"$program" completions bash >"$prefix/share/bash-completion/completions/token-storage"
"$program" completions zsh >"$prefix/share/zsh/site-functions/_token-storage"
"$program" completions fish >"$prefix/share/fish/vendor_completions.d/token-storage.fish"
