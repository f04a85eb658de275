# A small image without a shell: one static binary that runs as an unprivileged user.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock LICENSE-APACHE LICENSE-MIT README.md ./
COPY .cargo .cargo
COPY crates crates
COPY src src
RUN RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --target "$(rustc -vV | sed -n 's/^host: //p')" \
    && cp target/*/release/confold /confold && mkdir -m 700 /data

FROM scratch
COPY --from=build /confold /confold
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
# `confold dev` without --data keeps its temporary files here.
ENV TMPDIR=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s CMD ["/confold", "healthcheck", "--url", "http://127.0.0.1:8080"]
ENTRYPOINT ["/confold"]
# Other machines can reach this address, so the controls under /_dev/ need a token, which the server prints at startup.
CMD ["dev", "--listen", "0.0.0.0:8080"]
