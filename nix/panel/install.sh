#!/bin/sh
# Makes a folder with the panel's programs in bin/ of the tree it is started in.
#
# usage: install.sh PYTHON WHEELS SETUPTOOLS OUT
set -eu
python=$1 wheels=$2 setuptools=$3 out=$4
mkdir -p "$out/share"
cp -r . "$out/share/paas"
"$python" -m venv --without-pip "$out"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INDEX=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
python3 -m pip --python "$out/bin/python" install --quiet --no-deps --compile "$wheels"/*.whl
# In place: the panel finds its templates, static files and Nix expressions beside its code.
PYTHONPATH=$setuptools python3 -m pip --python "$out/bin/python" install --quiet --no-deps \
  --no-build-isolation --editable "$out/share/paas"
"$out/bin/python" -m compileall -q "$out/share/paas"
