# Runs a plan's phases on a tree, offline, where the tree is /app as it will be in the running
# app. Nix' sandbox is around it; bubblewrap only gives the files their places.
#
# In:  $tree, $base, $bwrap, $links; user text as files (see texts.nix): command_<n>; variable_<n> and
#      value_<n>; result_<n> of layer_<n>; mount_<n> at target_<n>; cache_<n> begun with seed_<n>; kept_<n>.
# Out: /build/app, changed, and what is kept below /build/deps.

mkdir -p app tmp deps caches
copy() { # the contents of folder $1 into folder $2; busybox' would complain about owners
  "$base/bin/cp" -a --no-preserve=ownership "$1/." "$2/"
  chmod -R u+w "$2"
}
[ -z "$tree" ] || copy "$tree" app

# Results of earlier steps: those below /deps are shown there, the others copied into the tree.
set -- --tmpfs / --ro-bind /nix /nix --bind /build/app /app --bind /build/tmp /tmp
set -- "$@" --ro-bind "$base/bin" /bin --ro-bind "$base/etc" /etc --ro-bind "$base/usr" /usr
set -- "$@" --bind /proc /proc --dev-bind /dev /dev
n=0
while [ $n -lt "$kept_count" ]; do
  text kept $n
  case $text in
    /deps/*)
      mkdir -p ".$text"
      set -- "$@" --bind "/build$text" "$text"
      ;;
  esac
  n=$((n + 1))
done
n=0
while [ $n -lt "$result_count" ]; do
  text layer $n; layer=$text
  text result $n; result=$text
  case $result in
    /deps/*)
      if [ ! -d ".$result" ]; then
        set -- "$@" --ro-bind "$layer$result" "$result"
      elif [ -d "$layer$result" ]; then # what this step goes on from
        copy "$layer$result" ".$result"
      fi
      ;;
    *)
      if [ "$command_count" -gt 0 ] && [ -d "$layer/app/$result" ]; then
        rm -rf "app/$result"
        mkdir -p "app/$result"
        copy "$layer/app/$result" "app/$result"
      fi
      ;;
  esac
  n=$((n + 1))
done
if [ -n "$links" ]; then
  while read -r path name; do
    mkdir -p "$(dirname "app/$name")"
    ln -s "$path" "app/$name"
  done < "$links"
fi
# All that was placed has the store's time, the first second. busybox' find compares seconds, so
# that the time of now would let a quick command's work pass for what was there before it.
touch -d @2 .placed

n=0
while [ $n -lt "$cache_count" ]; do
  mkdir "caches/$n"
  text seed $n
  if [ -n "$text" ]; then
    cp -R "$text/." "caches/$n/"
    chmod -R u+w "caches/$n"
  fi
  text cache $n
  mkdir -p "app/$text"
  set -- "$@" --bind "/build/caches/$n" "/app/$text"
  n=$((n + 1))
done
n=0
while [ $n -lt "$mount_count" ]; do
  text mount $n; from=$text
  text target $n
  set -- "$@" --ro-bind "$from" "$text"
  n=$((n + 1))
done

set -- "$@" --clearenv
n=0
while [ $n -lt "$variable_count" ]; do
  text variable $n; name=$text
  text value $n
  set -- "$@" --setenv "$name" "$text"
  n=$((n + 1))
done

n=0
while [ $n -lt "$command_count" ]; do
  # Nix passes this on to whoever reads its log; it says which of the plan's commands begins.
  # The line end before it ends whatever line a program has left open.
  printf '\n@nix { "action": "setPhase", "phase": "paas:%s" }\n' $n >&2
  # through a pipe, as Nix' terminal would make programs draw progress bars
  {
    status=0
    "$bwrap" "$@" --ro-bind "$(file command $n)" /tmp/.command --chdir /app -- sh /tmp/.command \
      || status=$?
    echo $status > .status
  } 2>&1 | cat
  read -r status < .status
  if [ "$status" -ne 0 ]; then
    printf '\n@nix { "action": "setPhase", "phase": "paas-failed:%s:%s" }\n' $n "$status" >&2
    exit "$status"
  fi
  n=$((n + 1))
done
n=$((cache_count - 1))
while [ $n -ge 0 ]; do # the places where caches were shown, unless something else lies there
  text cache $n
  ( cd app && rmdir -p "$text" 2>/dev/null ) || true
  n=$((n - 1))
done
