#!/usr/bin/env bash
# Gets the programs of others that tests and benches talk to. Safe to run again; says what it does.
#
#   tests/install-peers.sh
#
# Debian packages: h2load (nghttp2-client), nghttpx to compare with (nghttp2-proxy), valgrind.
# From PyPI: grpcio and grpcio-tools, into a virtual environment in $OUTRIDER_PEERS (default
# ~/.cache/outrider-peers). Needs root or sudo only for packages that are missing.
set -euo pipefail

readonly PEERS=${OUTRIDER_PEERS:-$HOME/.cache/outrider-peers}
readonly GRPCIO=1.85.1

say() { echo "install-peers: $*"; }

install_packages() {
    local missing=()
    command -v h2load >/dev/null || missing+=(nghttp2-client)
    command -v nghttpx >/dev/null || missing+=(nghttp2-proxy)
    command -v valgrind >/dev/null || missing+=(valgrind)
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    if [ ${#missing[@]} -eq 0 ]; then
        say "Debian packages are there"
        return
    fi
    say "installing ${missing[*]}"
    command -v apt-get >/dev/null || {
        say "no apt-get here: install these by hand" >&2
        exit 1
    }
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}"
}

install_grpcio() {
    local python=$PEERS/grpcio/bin/python
    if "$python" -c "import grpc, grpc_tools; assert grpc.__version__ == '$GRPCIO'" 2>/dev/null; then
        say "grpcio $GRPCIO is there"
        return
    fi
    say "installing grpcio $GRPCIO into $PEERS/grpcio"
    python3 -m venv "$PEERS/grpcio"
    "$python" -m pip install --quiet --disable-pip-version-check \
        "grpcio==$GRPCIO" "grpcio-tools==$GRPCIO"
}

install_packages
install_grpcio
say "done; tests that need them run with OUTRIDER_REQUIRE_TOOLS=1"
