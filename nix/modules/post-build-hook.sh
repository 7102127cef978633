#!/bin/sh
# Nix runs this after each derivation it has built, and waits for it: so it only notes the paths.
# A failure would fail the build, hence every way out is a good one; what is lost is an upload.
#
# usage: post-build-hook.sh SPOOL NIX_STORE   (in the environment: DRV_PATH, OUT_PATHS)
set -uf
spool=$1 nix_store=$2
# Nix 2.8 leaves OUT_PATHS empty.
outputs=${OUT_PATHS:-$("$nix_store" --query --outputs "$DRV_PATH" 2>/dev/null)}
[ -n "$outputs" ] || exit 0
name=${DRV_PATH##*/}
draft=$spool/.$name.$$
(umask 022 && printf '%s\n' $outputs >"$draft" && mv "$draft" "$spool/$name.paths") 2>/dev/null || {
  rm -f "$draft" 2>/dev/null
  echo "post-build-hook: $spool cannot be written; $name will not be uploaded" >&2
}
exit 0
