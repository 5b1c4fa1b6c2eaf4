# The command, in an image that holds nothing else: the demo, and all that `wafer` does.
#
#   docker build -t wafer .
#   docker run --rm -p 8080:8080 wafer demo --addr 0.0.0.0:8080 --allow-remote
#
# The same source and the same Go make the same bytes, wherever they are built.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS=linux
ARG TARGETARCH=amd64
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -ldflags=-buildid= -o /root/image/wafer ./cmd/wafer
# Certificates for rediss:// and https://, and a folder for the demo.
RUN mkdir -p /root/image/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /root/image/etc/ssl/certs/ && mkdir -m 1777 /root/image/tmp

FROM scratch
COPY --from=build /root/image /
USER 65532:65532
ENTRYPOINT ["/wafer"]
