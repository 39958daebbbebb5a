# Sourced after .ci/lib.sh: starts DynamoDB emulators, which end with the script. Each sets `endpoint`.
# shellcheck shell=bash

export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
unset AWS_SESSION_TOKEN AWS_REGION AWS_PROFILE
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for LOG: until something answers at the endpoint.
wait_for() {
    for _ in $(seq 300); do
        curl --silent --output /dev/null "$endpoint" && return
        sleep 0.1
    done
    tail -n 20 "$1" >&2
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
    local folder=$work/npm-dynalite port
    [ -d "$folder/node_modules/dynalite" ] || npm install --silent --no-fund --no-audit --prefix "$folder" dynalite@4.0.0 >&2
    port=$(free_port)
    node "$folder/node_modules/.bin/dynalite" --host 127.0.0.1 --port "$port" --createTableMs 200 --deleteTableMs 200 \
        >"$work/dynalite.log" 2>&1 &
    started+=($!)
    endpoint=http://127.0.0.1:$port
    wait_for "$work/dynalite.log"
}

start_moto() {
    local folder port
    folder=$(python_env moto 'moto[server]==5.2.5')
    port=$(free_port)
    "$folder/bin/moto_server" -H 127.0.0.1 -p "$port" >"$work/moto.log" 2>&1 &
    started+=($!)
    endpoint=http://127.0.0.1:$port
    wait_for "$work/moto.log"
}
