# syntax=docker/dockerfile:1
# The server alone in an empty file system: no shell, no packages, nobody but uid 65532.
# deploy/check.sh runs these very commands where no container engine is at hand.

FROM golang:1.26.11 AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOCACHE=/cache
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download
COPY . .
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/cache \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/awaitd ./cmd/server && \
    mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/awaitd /awaitd
COPY LICENSE NOTICE /
COPY --from=build --chown=65532:65532 /out/data /data

# Inside a container loopback reaches nobody, so the server listens on every address; it does so only with keys.
# Without the file it ends with a message that says so. Everything it remembers is in the volume.
ENV AWAITD_ADDR=0.0.0.0:8080 \
    AWAITD_API_KEYS_FILE=/run/secrets/awaitd-keys \
    AWAITD_DATA_DIR=/data
VOLUME /data
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s CMD ["/awaitd", "healthcheck"]
ENTRYPOINT ["/awaitd"]
CMD ["serve"]
