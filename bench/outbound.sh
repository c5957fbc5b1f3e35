#!/usr/bin/env bash
# CPU that one unary call costs the outbound sidecar, in real life: sockets, system calls, records.
#
#   bench/outbound.sh [CALLS]     calls per round, default 300000; about two minutes in all
#
# h2load (10 connections x 10 streams, 64-byte gRPC messages) -> sidecar -> bench/src/bin/backend.rs,
# all plaintext. The proxy is pinned to core 0, load and backend to core 1. CPU is user + system time
# of the proxy's processes from /proc, read before and after. Three rounds, the candidates take turns,
# the median counts. Beside it: no proxy at all, and nghttpx where Debian's nghttp2-proxy is there.
# Writes bench/results/<date>-outbound.md.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CALLS=${1:-300000} ROUNDS=3 CONNECTIONS=10 STREAMS=10
readonly TARGET=${CARGO_TARGET_DIR:-target}/release
ticks_per_second=$(getconf CLK_TCK)

for tool in h2load python3 taskset; do
    command -v $tool >/dev/null || {
        echo "bench/outbound.sh: $tool is missing; see tests/install-peers.sh" >&2
        exit 1
    }
done
[ "$(nproc)" -ge 2 ] || { echo "bench/outbound.sh: needs two cores" >&2; exit 1; }

cargo build --quiet --release -p outrider-cli
cargo build --quiet --release -p outrider-bench --bin backend

scratch=$(mktemp -d)
children=()
trap 'kill "${children[@]}" 2>/dev/null || true; rm -rf "$scratch"' EXIT

# Waits until a file has a line, and prints the first.
first_line() {
    until [ -s "$1" ]; do sleep 0.05; done
    head -1 "$1"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# User + system time of a process and its children, in ticks.
cpu_ticks() {
    local pid total=0 fields
    for pid in "$1" $(cat "/proc/$1/task/$1/children"); do
        # The name in brackets may hold blanks: fields are counted behind it.
        fields=$(sed 's/.*) //' "/proc/$pid/stat")
        total=$((total + $(awk '{ print $12 + $13 }' <<<"$fields")))
    done
    echo $total
}

start_backend() {
    taskset -c 1 "$TARGET/backend" >"$scratch/backend" &
    children+=($!)
    backend=$(first_line "$scratch/backend")
}

start_outrider() {
    mkdir "$scratch/documents"
    cat >"$scratch/documents/echo.yaml" <<YAML
apiVersion: outrider.dev/v1
kind: Service
metadata: { name: echo }
spec:
  grpcServices: [bench.Echo]
  tls: none
  endpoints: { static: [ { address: "$backend" } ] }
---
apiVersion: outrider.dev/v1
kind: TrafficPolicy
metadata: { name: echo }
spec:
  targetRefs: [ { kind: Service, name: echo } ]
  timeout: 2s
  retry: { attempts: 2, perTryTimeout: 500ms, on: [UNAVAILABLE], budget: { percent: 20, minPerSecond: 3 } }
  outlierDetection: { consecutiveFailures: 5, baseEjectionTime: 5s, maxEjectionPercent: 50 }
  methods:
    - { name: bench.Echo/Unary, unary: true, idempotent: true }
YAML
    taskset -c 0 "$TARGET/outrider" sidecar --service client --documents "$scratch/documents" \
        --outbound 127.0.0.1:0 --admin 127.0.0.1:0 >"$scratch/outrider" 2>"$scratch/outrider.log" &
    children+=($!)
    pid_outrider=$!
    address_outrider=$(first_line "$scratch/outrider" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["outbound"])')
}

start_nghttpx() {
    local port
    port=$(free_port)
    taskset -c 0 nghttpx --conf=/dev/null --workers=1 --frontend="127.0.0.1,$port;no-tls" \
        --backend="127.0.0.1,${backend#*:};;proto=h2" --errorlog-file="$scratch/nghttpx.log" 2>/dev/null &
    children+=($!)
    pid_nghttpx=$!
    address_nghttpx=127.0.0.1:$port
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
}

# load ADDRESS CALLS: requests per second; fails unless every call was answered.
load() {
    taskset -c 1 h2load -n "$2" -c $CONNECTIONS -m $STREAMS -t 1 -d "$scratch/message" \
        -H 'content-type: application/grpc' -H 'te: trailers' \
        "http://$1/bench.Echo/Unary" >"$scratch/load"
    grep -q "$2 succeeded, 0 failed, 0 errored" "$scratch/load" || {
        cat "$scratch/load" >&2
        exit 1
    }
    sed -n 's/^finished in .*, \([0-9.]*\) req\/s.*/\1/p' "$scratch/load"
}

# round NAME ADDRESS [PID]: appends "microseconds requests-per-second" to the candidate's figures.
round() {
    local before=0 after=0 rate cpu=0
    [ -z "${3:-}" ] || before=$(cpu_ticks "$3")
    rate=$(load "$2" "$CALLS")
    [ -z "${3:-}" ] || after=$(cpu_ticks "$3")
    cpu=$(awk "BEGIN { printf \"%.2f\", ($after - $before) * 1e6 / $ticks_per_second / $CALLS }")
    echo "$cpu $rate" >>"$scratch/$1.figures"
    echo "$1: $cpu us of CPU per call, $rate calls/s"
}

median() { awk -v column="$2" '{ print $column }' "$scratch/$1.figures" | sort -n | sed -n "$((ROUNDS / 2 + 1))p"; }
each() { awk '{ print $1 }' "$scratch/$1.figures" | paste -sd ' '; }

row() {
    local cpu="- | -"
    [ "$2" = direct ] || cpu="**$(median "$2" 1)** | $(each "$2")"
    echo "| $1 | $cpu | $(printf %.0f "$(median "$2" 2)") |"
}

report() {
    local now
    now=$(date -u +%F)
    result=bench/results/$now-outbound.md
    mkdir -p bench/results
    {
        cat <<MARKDOWN
# CPU per unary call of the outbound sidecar, $now

$CONNECTIONS connections x $STREAMS streams, unary calls with 64-byte gRPC messages, plaintext in and
out, one endpoint, one worker. $CALLS calls a round, $ROUNDS rounds in turns, medians. Every call was
answered. Headers are equal in every call, because h2load cannot vary them; the speed line
(\`bench/gate.sh\`) measures with headers that differ.

| hop | CPU us per call | rounds | calls/s |
|---|--:|--:|--:|
$(row "no proxy (the floor)" direct)
$(row "outrider, policies of the document on" outrider)
$([ ! -s "$scratch/nghttpx.figures" ] || row "nghttpx, no policies" nghttpx)

To reach: 2.5 us with all policies on. CPU is user and system time of the proxy's processes; calls/s
are limited by the load generator and the backend, which share a core (so a proxy that gathers
writes can make them faster than no proxy at all).

- Machine: $(nproc) cores, $(uname -m), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), Linux $(uname -r)
- Load average at the end: $(cut -d ' ' -f 1-3 /proc/loadavg)
- Commit: $(git rev-parse --short HEAD)$(git diff --quiet HEAD -- . ':!bench/results' || echo " and changes"), $(rustc --version)
- Command: \`bench/outbound.sh $CALLS\`; $(h2load --version), document as in the script
- Pinned: proxy to core 0, h2load and backend to core 1
MARKDOWN
    } >"$result"
}

{ printf '\0\0\0\0;'; head -c 59 /dev/zero | tr '\0' m; } >"$scratch/message"
start_backend
start_outrider
command -v nghttpx >/dev/null && start_nghttpx
for name in direct outrider nghttpx; do
    address=address_$name pid=pid_$name
    [ "$name" != direct ] || address=backend
    [ -z "${!address:-}" ] || load "${!address}" 20000 >/dev/null
done
for _ in $(seq $ROUNDS); do
    round direct "$backend"
    round outrider "$address_outrider" "$pid_outrider"
    [ -z "${address_nghttpx:-}" ] || round nghttpx "$address_nghttpx" "$pid_nghttpx"
done
report
cat "$result"
