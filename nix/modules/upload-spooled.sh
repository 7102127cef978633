#!/bin/sh
# Uploads what the post-build hook has noted, and forgets a note when it is done. Ends with 1 if
# some could not be uploaded: they stay for the next time.
#
# usage: upload-spooled.sh SPOOL NIX TO
set -u
spool=$1 nix=$2 to=$3
failed=0
for note in "$spool"/*.paths; do
  set -f
  [ -e "$note" ] || continue
  wanted=
  while read -r path; do
    # What was collected since is not wanted any more.
    [ -e "$path" ] && wanted="$wanted $path"
  done <"$note"
  if [ -z "$wanted" ] || "$nix" --extra-experimental-features nix-command copy --to "$to" $wanted; then
    rm -f "$note"
  else
    failed=1
  fi
done
exit $failed
