# Go's standard library as a build cache: compiled once, not in every build. The flags are those of
# `buildpacks/go.py`, as the cache goes by them. What web programs seldom use is left to the builds
# that do: all of it would take twice as long and as much room.
{ pkgs, go }:
pkgs.run {
  name = "${go.name}-cache";
  path = [ go ];
  script = ''
    export GOCACHE=$out GOPATH=/build/go GOTOOLCHAIN=local GOFLAGS=-trimpath CGO_ENABLED=0 GOPROXY=off
    mkdir -p $out
    go build net/http net/http/httputil net/smtp encoding/json encoding/xml encoding/csv \
      html/template text/tabwriter database/sql log/slog os/exec os/signal embed archive/zip \
      compress/gzip math/rand/v2 container/list testing/fstest time/tzdata crypto/ed25519
    rm -f $out/README $out/trim.txt $out/testexpire.txt
  '';
}
