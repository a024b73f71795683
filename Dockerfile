# syntax=docker/dockerfile:1
# The image of the operator: one static program and the public certificate authorities, without a shell, for a user without rights.
#
#   docker build --tag jira-connection-operator .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/jira-connection-operator:0.1.0 --push .
#
# Each platform compiles for itself: natively on a builder of its own, else emulated, which takes longer and needs no cross
# compiler. The compiler is that of rust-toolchain.toml.
ARG RUST_VERSION=1.95.0

FROM rust:${RUST_VERSION}-alpine AS build
# The C compiler is for ring, and links the program with musl.
RUN apk add --no-cache build-base ca-certificates-bundle
WORKDIR /src
COPY . .
ARG TARGETPLATFORM
# Alpine's compiler makes programs for musl, which are static by default. The cache of the target directory is not part of the
# image, so the program is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=target-${TARGETPLATFORM} \
    cargo build --locked --release --package controller --bin jira-operator \
    && cp target/release/jira-operator /jira-operator \
    && ! (readelf --program-headers /jira-operator | grep -q INTERP)

FROM scratch
LABEL org.opencontainers.image.title="jira-connection-operator" \
      org.opencontainers.image.description="Keeps connections to Jira declared in Git, proven, and shared between teams" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /jira-operator /jira-operator
COPY LICENSE /LICENSE
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
# Metrics, probes, pages.
EXPOSE 8080 8081 8082
ENTRYPOINT ["/jira-operator"]
