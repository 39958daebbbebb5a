# Sourced by .ci/run and by each check: paths, and installing what is missing. Nothing is ever skipped: what cannot be
# installed fails the run.
# shellcheck shell=bash

root=$(git rev-parse --show-toplevel)
# Everything that CI makes lies here, beside cargo's own output, so that `cargo clean` removes it.
work=$root/target/ci
# What checks build apart from cargo's own folder. `.ci/run` has such checks beside the others, and removes it at the end.
targets=$work/targets
mkdir -p "$work" "$targets"

say() { printf '%s\n' "$*"; }

die() {
    printf 'CI: %s\n' "$*" >&2
    exit 1
}

# alone COMMAND...: no two at the same time, of checks that run beside each other. What it starts and leaves running must not
# hold the lock, so it does not get it.
alone() { (flock 9 && "$@" 9>&-) 9>"$work/lock"; }

# need COMMAND PACKAGE: installs the Debian package if the command is not there. It looks when nobody else installs: a command is
# there before what it needs is.
need() { alone install_package "$1" "$2"; }

# `set -e` does not hold in these.
install_package() {
    command -v "$1" >/dev/null && return
    if [ ! -e "$work/apt-updated" ]; then
        apt-get update -qq || return
        touch "$work/apt-updated"
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >"$work/apt.log" 2>&1 ||
        { tail -n 20 "$work/apt.log" >&2; die "cannot install $2, which $1 is in"; }
    command -v "$1" >/dev/null || die "$2 is installed, and there is still no $1"
}

# python_env NAME REQUIREMENT...: prints the folder of a virtual environment that has exactly these; made once.
python_env() { alone make_python_env "$@"; }

make_python_env() {
    local name=$1 folder=$work/venv-$1
    shift
    if [ "$(cat "$folder/requirements" 2>/dev/null)" != "$*" ]; then
        rm -rf "$folder"
        python3 -m venv "$folder" >&2 || return
        "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2 || return
        printf '%s\n' "$*" >"$folder/requirements"
    fi
    printf '%s\n' "$folder"
}

# oidc_provider: prints the folder that has npm's `oidc-provider`; installed once.
oidc_provider() {
    need node nodejs >&2 || return
    need npm npm >&2 || return
    alone install_oidc_provider
}

install_oidc_provider() {
    local version=9.13.3 folder=$work/foreign-servers
    if [ "$(cat "$folder/version" 2>/dev/null)" != "$version" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts "oidc-provider@$version" >&2 || return
        printf '%s\n' "$version" >"$folder/version"
    fi
    printf '%s\n' "$folder"
}

# Everything is built in one way, that of `cargo test --workspace --all-features`: another choice of packages or features
# would build the AWS SDK and the rest anew for each check.
everything=(--locked --workspace --all-features)

# the_programs: builds the command and the test server where cargo puts them, as tests of theirs need them. On their own they
# would be built without the features that tests add to what all share (tokio's, libc's), and the AWS SDK with them.
the_programs() { cargo test --quiet "${everything[@]}" --no-run --test first_contact --test test_auth_server; }

# example NAME: builds an example and prints where it is. Names are unique in the workspace.
example() {
    cargo build --quiet "${everything[@]}" --example "$1" >&2 || return
    printf '%s\n' "${CARGO_TARGET_DIR:-$root/target}/debug/examples/$1"
}

# test_programs FOLDER OPTION...: builds the tests, or those that cargo's options choose, and prints the programs of the integration
# tests of the package in a folder of that name.
test_programs() {
    cargo test --quiet "${everything[@]}" "${@:2}" --no-run --message-format=json | python3 -c '
import json, os, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["reason"] == "compiler-artifact" and message["executable"] and message["target"]["kind"] == ["test"]:
        if os.path.basename(os.path.dirname(message["manifest_path"])) == sys.argv[1]:
            print(message["executable"])
' "$1"
}

# What 53-canary.sh runs of the layers' plans; 59-pairs-of-layers.sh runs the other pairs. A name has its level before it, in
# brackets, so that `] traced-sqlite/` is that plan alone and not `tenant-over-traced-sqlite/` too.
# shellcheck disable=SC2034
canary_layers=(
    traced --skip server/ --skip '] traced-sqlite/'
    --skip '] traced-tenant-' --skip '] traced-read-' --skip '] retrying-traced-'
)

# conformance_reports: prints the folder with what the suites of the backends wrote; runs them if this run of CI has not.
conformance_reports() {
    local reports=${suite_reports:-}
    if [ -z "$reports" ]; then
        reports=$work/conformance-table
        rm -rf "$reports"
        TOKEN_STORAGE_CONFORMANCE_REPORTS=$reports cargo test --quiet "${everything[@]}" --test conformance >"$work/table.log" ||
            { tail -n 40 "$work/table.log" >&2; return 1; }
    fi
    printf '%s\n' "$reports"
}
