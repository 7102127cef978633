# Go's standard library as a build cache: compiled once, not in every build. The flags are those of
# `buildpacks/go.py`, as the cache goes by them.
{ pkgs, go }:
pkgs.run {
  name = "${go.name}-cache";
  path = [ go ];
  script = ''
    export GOCACHE=$out GOPATH=/build/go GOTOOLCHAIN=local GOFLAGS=-trimpath CGO_ENABLED=0 GOPROXY=off
    mkdir -p $out
    go build std
    rm -f $out/README $out/trim.txt $out/testexpire.txt
  '';
}
