#!/usr/bin/env bash
# Runs the fuzz targets from their committed corpora, as many at once as there are processors.
#
#   tests/fuzz/run.sh SECONDS [TARGET...]          each target for SECONDS; fails when one finds something
#   AT_ONCE=1 tests/fuzz/run.sh SECONDS            so many at once, for a machine that does more than this
#   KEEP=1 tests/fuzz/run.sh SECONDS [TARGET...]   and writes the corpora again, minimised
#
# Needs a nightly (`rustup toolchain install nightly`) and cargo-fuzz (`cargo install cargo-fuzz`, or
# where `.ci/run fuzz` puts it); without them it says so and ends well, unless
# OUTRIDER_REQUIRE_TOOLS=1. Builds into a folder of its own, `fuzz` of the target folder, because
# coverage is built in. What a target finds lies in tests/fuzz/artifacts/TARGET;
# `cargo +nightly fuzz run -s none TARGET FILE` plays it again.
set -euo pipefail
SELF=$(realpath "$0")
readonly SELF
cd "$(dirname "$SELF")"

# No sanitizer: our crates forbid `unsafe`. What looks beyond the data path takes longer to build.
set_options() {
    options=(--sanitizer none --fuzz-dir .)
    case $1 in
    documents | stored_configuration | xds_answer) options+=(--features mesh) ;;
    esac
}

if [ "${1:-}" = --one ]; then
    readonly seconds=$2 target=$3
    set_options "$target"
    mkdir -p "corpus/$target" "artifacts/$target"
    log=artifacts/$target.log
    # Slow inputs (10 s) and memory (1 GiB) are findings.
    if ! cargo +nightly fuzz run "${options[@]}" "$target" -- -max_total_time="$seconds" \
        -timeout=10 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "fuzz: $target FAILED"
        exit 1
    fi
    # One write: another target may end at the same moment.
    echo "fuzz: $target: $(grep -o 'stat::number_of_executed_units: .*\|DONE .*' "$log" | tr '\n' ' ')"
    if [ "${KEEP:-}" = 1 ]; then
        rm -rf "minimised/$target"
        mkdir -p "minimised/$target"
        cargo +nightly fuzz run "${options[@]}" "$target" -- -set_cover_merge=1 -max_len=4096 \
            "minimised/$target" "corpus/$target" >"$log" 2>&1
        python3 corpora.py pack "$target" "minimised/$target"
    fi
    exit 0
fi

readonly seconds=${1:?how many seconds for each target}
shift
export PATH=${OUTRIDER_PEERS:-$HOME/.cache/outrider-peers}/bin:$PATH
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$(realpath ../..)/target}/fuzz

missing() {
    echo "!!! SKIPPED: fuzzing; $1"
    [ "${OUTRIDER_REQUIRE_TOOLS:-}" != 1 ] || exit 1
    exit 0
}
cargo +nightly --version >/dev/null 2>&1 || missing "no nightly: rustup toolchain install nightly"
cargo fuzz --version >/dev/null 2>&1 || missing "no cargo-fuzz: cargo install cargo-fuzz --locked"

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(ls fuzz_targets | sed 's/\.rs$//')

# The same versions as in the workspace; what only the fuzzer needs is pinned in Cargo.toml.
cp ../../Cargo.lock Cargo.lock
python3 corpora.py unpack
for target in "${targets[@]}"; do
    set_options "$target"
    cargo +nightly fuzz build "${options[@]}" "$target"
done
printf '%s\n' "${targets[@]}" | xargs -P "${AT_ONCE:-$(nproc)}" -I{} "$SELF" --one "$seconds" {}
