#!/usr/bin/env bash
# The promise of docker-compose.yml: brings it up as it is, checks it, takes everything down.
#
#   tests/compose.sh                 the image's programs are built here, by cargo
#   tests/compose.sh --build-image   the image is built as users build it, by the Dockerfile
#
# Needs docker, `docker compose` or `docker-compose`, and Python 3; where no engine runs or no image
# can be pulled also root, and what tests/install-peers.sh installs. Without them it says so and
# passes, unless OUTRIDER_REQUIRE_TOOLS=1.
set -euo pipefail
cd "$(dirname "$0")/.."

SCRATCH=$(mktemp -d)
readonly SCRATCH PROJECT=outrider-test-$$
readonly SIDECARS=(customers frontend orders-1 orders-2 inventory payments)
# Any free port of this machine.
export OUTRIDER_PAGE_PORT='' OUTRIDER_JAEGER_PORT=''

say() { echo "compose: $*"; }

fail() {
    echo "compose: FAILED: $*" >&2
    exit 1
}

lack() {
    [ "${OUTRIDER_REQUIRE_TOOLS:-}" = 1 ] && fail "$*"
    say "!!! SKIPPED: $*"
    exit 0
}

need() {
    command -v "$1" >/dev/null || lack "there is no $1 here; tests/install-peers.sh gets it"
}

# Tries again until a command succeeds, for at most so many seconds.
eventually() {
    local seconds=$1 what=$2 end=$((SECONDS + $1))
    shift 2
    until "$@"; do
        [ $SECONDS -lt $end ] || {
            echo "compose: not within $seconds s: $what" >&2
            return 1
        }
        sleep 0.2
    done
}

source tests/compose/engine.sh
source tests/compose/images.sh

find_compose() {
    need docker
    # Without its buildx plugin a new client has to be told to use the old builder.
    docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
    if docker compose version >/dev/null 2>&1; then
        COMPOSE=(docker compose)
    else
        need docker-compose
        COMPOSE=(docker-compose)
    fi
}

compose() {
    "${COMPOSE[@]}" --project-name "$PROJECT" "$@"
}

# Shows what a command says only if it fails.
quietly() {
    "$@" >"$SCRATCH/said" 2>&1 || {
        cat "$SCRATCH/said" >&2
        return 1
    }
}

# A page of a sidecar's admin listener, which only its own container reaches.
page() {
    compose exec -T "$1-sidecar" outrider probe "http://127.0.0.1:15000/$2" 2>/dev/null
}

# Calls of customers, so many and so fast; the last line says what came of them.
call() {
    compose exec -T -e SHOP_CALLS="$1" -e SHOP_CALLS_PER_SECOND="$2" customers customers
}

# Sum of a counter of one sidecar over the series that carry a text.
count() {
    page "$1" metrics | awk -v name="$2" -v label="${3:-}" \
        'index($1, name "{") == 1 && index($0, label) { sum += $NF } END { print sum + 0 }'
}

all_ready() {
    local sidecar
    for sidecar in "${SIDECARS[@]}"; do
        page "$sidecar" readyz >/dev/null || return 1
    done
}

check_up() {
    # The image is there already.
    quietly compose up --detach --no-build
    eventually 60 "every sidecar is ready" all_ready
    say "up; ready: ${SIDECARS[*]}"
}

# As its page says, which is the one that is published beside Jaeger's.
check_joined() {
    local page
    page=http://$(compose port control-plane 15014)
    eventually 60 "everybody has joined" python3 tests/compose/mesh.py "$page" \
        >"$SCRATCH/mesh" 2>&1 || fail "$(tail -n 2 "$SCRATCH/mesh")"
    say "joined; $(tail -n 1 "$SCRATCH/mesh")"
}

# The volumes that a container sees, by the names that the file gives them.
volumes() {
    docker inspect --format '{{range .Mounts}}{{.Name}} {{end}}' "$(compose ps --all --quiet "$1")" |
        tr ' ' '\n' | sed -n "s/^${PROJECT}_//p" | sort | tr '\n' ' '
}

check_secrets() {
    local sidecar seen
    for sidecar in "${SIDECARS[@]}"; do
        seen=$(volumes "$sidecar-sidecar")
        [ "$seen" = "${sidecar%-[12]}-token " ] || fail "$sidecar sees the volumes $seen"
    done
    seen=$(volumes tokens)
    [[ " $seen" != *" control-plane "* ]] || fail "who makes tokens sees the authority's keys: $seen"
    say "each sidecar sees its own token alone, and the control plane alone its keys"
}

# Calls that an instance has answered.
served() {
    count "$1" outrider_calls_total 'side="inbound"'
}

has_served() {
    [ "$(served "$1")" -gt "$2" ]
}

# Both get calls sooner or later; when, is up to balancing by latency.
orders_share() {
    has_served orders-1 0 && has_served orders-2 0
}

check_calls() {
    local told
    told=$(call 200 50 2>&1) || fail "calls failed: $told"
    told=$(tail -n 1 <<<"$told")
    [[ $told = *failed_shows=0*failed_checkouts=0* ]] || fail "calls failed: $told"
    eventually 60 "both instances of orders answer calls" orders_share
    say "calls: $told"
}

check_mtls() {
    local sidecar sealed plain
    for sidecar in "${SIDECARS[@]}"; do
        sealed=$(count "$sidecar" outrider_mtls_handshakes_total 'result="ok"')
        plain=$(count "$sidecar" outrider_plaintext_connections_total)
        say "$sidecar: $sealed connections with mutual TLS, $plain without"
        [ "$sealed" -gt 0 ] || fail "$sidecar made no connection with mutual TLS"
        [ "$plain" -eq 0 ] || fail "$sidecar made connections without"
    done
    compose exec -T customers outrider probe http://orders-1-sidecar:15006/ >/dev/null 2>&1 &&
        fail "orders answered a stranger without TLS"
    [ "$(count orders-1 outrider_mtls_handshakes_total 'side="inbound",result="failed"')" -gt 0 ] ||
        fail "orders-1 has not seen the stranger"
    say "a stranger without TLS is turned away"
}

check_trace() {
    local jaeger
    jaeger=http://$(compose port jaeger 16686)
    eventually 30 "a trace with every hop" python3 tests/compose/trace.py "$jaeger" \
        2>"$SCRATCH/trace" || fail "$(tail -n 12 "$SCRATCH/trace")"
}

# The busier instance of orders, for there the most is at stake. `docker kill` is kill -9, and the
# instance's address goes with it.
check_kill() {
    local victim=orders-1 killed told
    [ "$(served orders-1)" -gt "$(served orders-2)" ] || victim=orders-2
    call 500 50 >"$SCRATCH/calls" 2>&1 &
    local calls=$! before
    before=$(served $victim)
    eventually 10 "$victim answers calls" has_served $victim $((before + 50))
    killed=$(compose ps -q $victim $victim-sidecar)
    # shellcheck disable=SC2086 # one word for each container
    docker kill $killed >/dev/null
    wait $calls || fail "calls failed when $victim was killed: $(cat "$SCRATCH/calls")"
    told=$(tail -n 1 "$SCRATCH/calls")
    [[ $told = *orders-1=*orders-2=* ]] || fail "$victim was not killed amid calls: $told"
    say "$victim killed meanwhile: $told"
}

check_down() {
    local left
    quietly compose down --volumes --timeout 5
    left=$(docker ps --all --quiet --filter "label=com.docker.compose.project=$PROJECT")
    [ -z "$left" ] || fail "containers are left: $left"
    say "down"
}

clean_up() {
    local code=$?
    trap - EXIT
    # A second Ctrl-C does not leave half of it.
    trap '' INT TERM
    set +e
    if [ $code -ne 0 ] && [ ${#COMPOSE[@]} -gt 0 ]; then
        compose ps --all
        compose logs --tail 5
    fi >&2
    if engine_answers; then
        [ ${#COMPOSE[@]} -eq 0 ] || compose down --volumes --timeout 5 >/dev/null 2>&1
        remove_stand_ins
    fi
    stop_engine
    rm -rf "$SCRATCH"
    exit $code
}

COMPOSE=()
trap clean_up EXIT
trap 'exit 1' INT TERM
case "${1:-}" in
    "") build_image=build_image_outside ;;
    --build-image) build_image=build_image_inside ;;
    *) fail "usage: tests/compose.sh [--build-image]" ;;
esac
find_compose
start_engine
provide_jaeger
$build_image
check_up
check_joined
check_secrets
check_calls
check_mtls
check_trace
check_kill
check_down
say "everything held"
