#!/usr/bin/env bash
# The speed line: instructions that one unary call costs inside the engine, counted by callgrind.
#
#   bench/gate.sh            counts, and fails at 5 % above bench/baseline.txt
#   bench/gate.sh --accept   counts, and writes bench/baseline.txt
#   bench/gate.sh --profile  counts, and shows where the instructions go
#
# What is counted: the work inside the methods of `Measured` (bench/src/unary/measured.rs), so
# neither client nor server nor start; per call it is the difference of a long and a short run. The
# long run is counted twice and must give the same total. Needs Debian's valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly BASELINE=bench/baseline.txt
readonly SHORT=1000 LONG=11000
readonly ALLOWED_PERCENT=5
mode=${1:-check}

command -v valgrind >/dev/null || {
    echo "bench/gate.sh: valgrind is missing; tests/install-peers.sh installs it" >&2
    exit 1
}

cargo build --quiet --release -p outrider-bench --bin unary
program=${CARGO_TARGET_DIR:-target}/release/unary
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Instructions inside the engine for a number of calls. An empty environment, because the size of
# the environment moves the stack.
count() {
    env -i PATH="$PATH" valgrind --tool=callgrind --callgrind-out-file="$scratch/$2" \
        --collect-atstart=no --toggle-collect='*Measured*' "$program" "$1" >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        exit 1
    }
    sed -n 's/^summary: //p' "$scratch/$2"
}

short=$(count $SHORT short)
long=$(count $LONG long)
again=$(count $LONG again)
if [ "$long" != "$again" ]; then
    echo "bench/gate.sh: two equal runs differ ($long and $again): the engine is no longer" >&2
    echo "deterministic (a clock, a random hasher, an address used as a value?)" >&2
    exit 1
fi
now=$(((long - short) / (LONG - SHORT)))

if [ "$mode" = --profile ]; then
    # The profile is written whole first: `head` would break the pipe.
    callgrind_annotate --auto=no "$scratch/long" >"$scratch/profile"
    sed -n '/file:function/,$p' "$scratch/profile" | head -45
fi
if [ "$mode" = --accept ]; then
    {
        echo "# Instructions per unary call inside the engine; made by bench/gate.sh --accept."
        echo "instructions_per_call $now"
        echo "# $(rustc --version), $(valgrind --version), $(uname -m)"
    } >$BASELINE
    echo "unary: $now instructions per call, accepted into $BASELINE"
    exit 0
fi

line=$(sed -n 's/^instructions_per_call //p' $BASELINE)
change=$(awk "BEGIN { printf \"%+.1f\", ($now - $line) * 100 / $line }")
echo "unary: $now instructions per call; the line is $line ($change %)"
if [ $((now * 100)) -ge $((line * (100 + ALLOWED_PERCENT))) ]; then
    cat >&2 <<MESSAGE
bench/gate.sh: a call costs $change % more than the line allows for (+$ALLOWED_PERCENT %).
  See where it goes:    bench/gate.sh --profile
  If it is worth it:    bench/gate.sh --accept, and commit $BASELINE with the reason
  The line was made by: $(tail -1 $BASELINE)
  This is:              # $(rustc --version), $(valgrind --version), $(uname -m)
MESSAGE
    exit 1
fi
if [ $((now * 100)) -le $((line * (100 - ALLOWED_PERCENT))) ]; then
    echo "unary: that much better deserves a new line: bench/gate.sh --accept"
fi
