# syntax=docker/dockerfile:1
# One image with all five programs; compose or an orchestrator says which one
# runs. It holds nothing else: no shell, no package manager.

FROM --platform=$BUILDPLATFORM golang:1.26-alpine AS build
WORKDIR /src

# Dependencies have layers of their own, made anew only when a go.mod changes.
COPY go.work go.work.sum ./
COPY shared/go.mod shared/go.sum shared/
COPY gateway/go.mod gateway/go.sum gateway/
COPY presence/go.mod presence/go.sum presence/
COPY authz/go.mod authz/go.sum authz/
COPY ratelimit/go.mod ratelimit/go.sum ratelimit/
COPY hubmesh/go.mod hubmesh/go.sum hubmesh/
RUN --mount=type=cache,target=/go/pkg/mod go mod download

COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags='-s -w' -o /out/ \
    ./hubmesh ./gateway/cmd/gateway ./presence/cmd/presence ./authz/cmd/authz ./ratelimit/cmd/ratelimit

FROM scratch
# The roots by which a service trusts a NATS server with a public certificate.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/ /bin/
# A number, so that an orchestrator can see that it is not root.
USER 65532:65532
EXPOSE 8080
CMD ["hubmesh", "--help"]
