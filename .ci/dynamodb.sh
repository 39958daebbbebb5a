# Sourced after .ci/lib.sh: starts DynamoDB emulators, which end with the script. Each sets `endpoint`.
# shellcheck shell=bash

# Nothing of somebody's own set-up counts: no endpoint, of whichever service, no region, no profile, no proxy before the loopback.
for variable in "${!AWS_@}"; do unset "$variable"; done
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null NO_PROXY=127.0.0.1
need curl curl
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# serve LOG COMMAND...: starts it in the background, with a free port behind `--port`, and waits until it answers. If it
# ends instead, somebody else may have taken the port, and the next one is tried.
serve() {
    local log=$1 port pid
    shift
    for _ in 1 2 3; do
        port=$(free_port)
        endpoint=http://127.0.0.1:$port
        "$@" --port "$port" >"$log" 2>&1 &
        pid=$!
        started+=("$pid")
        while kill -0 "$pid" 2>/dev/null; do
            curl --silent --noproxy '*' --output /dev/null "$endpoint" && return
            sleep 0.1
        done
    done
    tail -n 20 "$log" >&2
    die "nothing answers at $endpoint"
}

# Our own, dynoxide. It ends when its standard input is closed, which this shell holds.
start_emulator() {
    cargo build --quiet --locked --manifest-path support/dynamodb-emulator/Cargo.toml --target-dir target/dynamodb-emulator
    coproc emulator { exec target/dynamodb-emulator/debug/dynamodb-emulator; }
    read -r port <&"${emulator[0]}"
    endpoint=http://127.0.0.1:$port
}

start_dynalite() {
    local folder=$work/npm-dynalite
    [ -d "$folder/node_modules/dynalite" ] || npm install --silent --no-fund --no-audit --prefix "$folder" dynalite@4.0.0 >&2
    serve "$work/dynalite.log" node "$folder/node_modules/.bin/dynalite" --host 127.0.0.1 --createTableMs 200 \
        --deleteTableMs 200
}

start_moto() {
    local folder
    folder=$(python_env moto 'moto[server]==5.2.5')
    serve "$work/moto.log" "$folder/bin/moto_server" --host 127.0.0.1
}
