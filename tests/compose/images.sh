# For tests/compose.sh: the images that docker-compose.yml and the Dockerfile name.
#
# Pulled where that works. Where it does not, stand-ins are made under the same names, and taken
# away again: Jaeger is the program that tests/install-peers.sh builds; for Rust, Debian's base with
# a C compiler, this machine's toolchain and the packages that Cargo.lock names.

readonly SHOP_IMAGE=outrider-shop
JAEGER_IMAGE=$(sed -n 's/^ *image: \(jaegertracing.*\)/\1/p' docker-compose.yml)
RUST_IMAGE=$(sed -n 's/^FROM \(rust:[^ ]*\).*/\1/p' Dockerfile)
readonly JAEGER_IMAGE RUST_IMAGE

stand_ins=()

can_be_had() {
    docker image inspect "$1" >/dev/null 2>&1 || timeout 300 docker pull --quiet "$1" 2>/dev/null
}

provide_jaeger() {
    can_be_had "$JAEGER_IMAGE" && return
    local program=${OUTRIDER_PEERS:-$HOME/.cache/outrider-peers}/bin/jaeger-all-in-one
    [ -x "$program" ] ||
        lack "$JAEGER_IMAGE cannot be pulled, and tests/install-peers.sh has not built Jaeger"
    say "$JAEGER_IMAGE cannot be pulled: a stand-in from $program"
    mkdir "$SCRATCH/jaeger"
    cp "$program" "$SCRATCH/jaeger/all-in-one"
    printf '%s\n' 'FROM scratch' 'COPY all-in-one /' 'ENTRYPOINT ["/all-in-one"]' |
        docker build --quiet --tag "$JAEGER_IMAGE" --file - "$SCRATCH/jaeger"
    stand_ins+=("$JAEGER_IMAGE")
}

provide_rust() {
    can_be_had "$RUST_IMAGE" && return
    need debootstrap
    say "$RUST_IMAGE cannot be pulled: a stand-in from debootstrap and $(rustc --version)"
    local root=$SCRATCH/rust
    debootstrap --variant=minbase --include=gcc,libc6-dev bookworm "$root" \
        >"$SCRATCH/debootstrap.log" || fail "debootstrap: $(tail -n 3 "$SCRATCH/debootstrap.log")"
    copy_toolchain "$root/usr/local/rust"
    copy_packages "$root/usr/local/cargo"
    tar -C "$root" -c . | docker import \
        --change "ENV PATH=/usr/local/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        --change "ENV CARGO_HOME=/usr/local/cargo" \
        --change "ENV CARGO_NET_OFFLINE=true" - "$RUST_IMAGE"
    rm -rf "$root"
    stand_ins+=("$RUST_IMAGE")
}

copy_toolchain() {
    local toolchain
    toolchain=$(rustc --print sysroot)
    mkdir -p "$1"
    cp -a "$toolchain/bin" "$toolchain/lib" "$1"
}

copy_packages() {
    local cargo_home=${CARGO_HOME:-$HOME/.cargo}
    cargo fetch --locked
    mkdir -p "$1/registry"
    cp -a "$cargo_home/registry/cache" "$cargo_home/registry/index" "$1/registry"
    [ ! -f "$cargo_home/config.toml" ] || cp "$cargo_home/config.toml" "$1"
}

# The Dockerfile's last stage on programs that were built outside, as its first stage builds them.
build_image_outside() {
    local target programs=$SCRATCH/programs
    target=$(uname -m)-unknown-linux-gnu
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked \
        --target "$target" -p outrider-cli -p outrider-examples --bins
    mkdir -p "$programs/bin" "$programs/owned/data/operator" \
        "$programs/owned/tokens/"{customers,frontend,orders,inventory,payments}
    (cd "${CARGO_TARGET_DIR:-target}/$target/release" &&
        cp outrider frontend orders payments inventory customers "$programs/bin")
    {
        printf '%s\n' 'FROM scratch AS build' 'COPY . /image'
        sed -n '/^FROM scratch/,$p' Dockerfile
    } | docker build --quiet --tag "$SHOP_IMAGE" --file - "$programs"
}

# The Dockerfile as it is.
build_image_inside() {
    provide_rust
    docker build --tag "$SHOP_IMAGE" .
}

remove_stand_ins() {
    [ ${#stand_ins[@]} -eq 0 ] || docker rmi --force "${stand_ins[@]}" >/dev/null
}
