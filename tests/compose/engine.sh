# For tests/compose.sh: a Docker engine to test with, and no trace of it afterwards.
#
# The one that runs is used. Where none does, one is started whose every file lies in $SCRATCH. It
# leaves the machine's firewall and bridges alone: networks that compose makes need neither, and
# published ports go through Docker's own forwarder.

engine_pid=

engine_answers() {
    docker info >/dev/null 2>&1
}

start_engine() {
    if engine_answers; then
        say "using the engine that runs"
        return
    fi
    need dockerd
    [ "$(id -u)" -eq 0 ] || lack "no engine runs here, and only root can start one"
    local folder=$SCRATCH/engine
    mkdir "$folder"
    export DOCKER_HOST=unix://$folder/docker.sock
    # In a session of its own, so that Ctrl-C reaches this script alone, which then ends it in order.
    setsid dockerd --host "$DOCKER_HOST" --pidfile "$folder/pid" --data-root "$folder/data" \
        --exec-root "$folder/exec" --bridge none --iptables=false >"$folder/log" 2>&1 &
    engine_pid=$!
    eventually 60 "the engine answers" engine_answers || {
        tail -n 20 "$folder/log" >&2
        return 1
    }
    say "started an engine in $folder"
}

# The engine ends its containers and its containerd before it goes.
stop_engine() {
    [ -n "$engine_pid" ] || return 0
    kill "$engine_pid" 2>/dev/null || true
    eventually 60 "the engine has ended" engine_is_gone || kill -9 "$engine_pid"
    wait "$engine_pid" 2>/dev/null || true
    engine_pid=
    unset DOCKER_HOST
    say "the engine has ended"
}

engine_is_gone() {
    ! kill -0 "$engine_pid" 2>/dev/null
}
