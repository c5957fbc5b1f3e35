# `outrider` and the example shop in one image: no operating system, no shell, no root.
#
# Built by `docker compose up`, or by hand with `docker build -t outrider-shop .`; BuildKit is not
# needed. The programs are static: with an explicit --target the flag reaches them and not the build
# scripts and macros, which must stay dynamic.

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN target="$(uname -m)-unknown-linux-gnu" \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked \
        --target "$target" -p outrider-cli -p outrider-examples --bins \
 && mkdir -p /image/bin /image/owned/data/operator \
 && cd /image/owned && mkdir -p tokens/customers tokens/frontend tokens/orders \
        tokens/inventory tokens/payments \
 && cd "/source/target/$target/release" \
 && cp outrider frontend orders payments inventory customers /image/bin

FROM scratch AS run
COPY --from=build /image/bin/ /bin/
# Folders that a volume may take the place of; a new volume takes over their owner.
COPY --from=build --chown=65532:65532 /image/owned/ /
USER 65532:65532
CMD ["outrider", "--help"]
