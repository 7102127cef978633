#!/bin/sh
# Writes a node's token where Nix (netrc) and k3s' containerd (registries.yaml) look for it.
#
# usage: node-credentials.sh NETRC_FOLDER K3S_FOLDER HOST PANEL NAME
# The token is in $CREDENTIALS_DIRECTORY/token (systemd's LoadCredential).
set -eu
umask 077
netrc_folder=$1 k3s_folder=$2 host=$3 panel=$4 name=$5
token=$(cat "$CREDENTIALS_DIRECTORY/token")
case $token in
"" | *[!A-Za-z0-9_-]*)
  echo "The node's token is none: make one with \`paas nodes:tokens:create $name\`." >&2
  exit 1
  ;;
esac

put() {
  cat >"$1.new" && mv "$1.new" "$1"
}
mkdir -p "$netrc_folder" "$k3s_folder"
put "$netrc_folder/netrc" <<EOF
machine $host login $name password $token
EOF
# https://docs.k3s.io/installation/private-registry
address=${panel#*://}
put "$k3s_folder/registries.yaml" <<EOF
mirrors:
  "$address":
    endpoint: ["$panel"]
configs:
  "$address":
    auth:
      username: "$name"
      password: "$token"
EOF
