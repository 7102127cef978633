# Makes $out of ./app after sealed.sh. Results of earlier steps that the build left as they were
# become links again, so that a change of the source ships only the source.
#
# In: final_<n>, for each result_<n>: the layer that the running app gets.

unchanged() { # $1: a folder in app/; caches that tools keep in node_modules do not count
  [ -d "app/$1" ] || return 1
  found=$(find "app/$1" -mindepth 1 \( -name .cache -o -name '.vite*' \) -prune \
    -o -newer .placed -print | head -n 1)
  [ -z "$found" ]
}
closed() { # $1: a folder of a layer; links of workspaces lead out of it, relative to the tree
  ! find "$1" -maxdepth 2 -type l | while read -r link; do
    depth=$(printf %s "${link#"$1"/}" | tr -cd / | wc -c)
    up='../'
    [ "$depth" -eq 0 ] || up='../../'
    case $(readlink "$link") in
      "$up"*) echo out ;;
    esac
  done | grep -q out
}
n=0
while [ $n -lt "$result_count" ]; do
  text result $n; result=$text
  text layer $n; layer=$text
  text final $n; final=$text/app/$result
  case $result in
    /deps/*) ;;
    *)
      if [ "$command_count" -eq 0 ] || unchanged "$result"; then
        if [ ! -d "$final" ]; then # nothing of it is needed to run
          rm -rf "app/$result"
        elif closed "$final"; then
          rm -rf "app/$result"
          mkdir -p "$(dirname "app/$result")"
          ln -s "$final" "app/$result"
        elif [ "$command_count" -eq 0 ] || [ "$final" != "$layer/app/$result" ]; then
          rm -rf "app/$result"
          mkdir -p "app/$result"
          copy "$final" "app/$result"
        fi
      fi
      ;;
  esac
  n=$((n + 1))
done
for folder in .npm .cache; do # of tools that take /app for somebody's home
  [ -e "$tree/$folder" ] || rm -rf "app/$folder"
done
find app -name __pycache__ -prune -exec rm -rf {} +
if [ -n "$interpreter" ]; then
  # where that saves more at each start than it takes now
  sources=$(find app -name '*.py' | wc -l)
  if [ "$sources" -ge 30 ] && [ "$sources" -le 3000 ]; then
    PYTHONHASHSEED=0 "$interpreter" -S -m compileall -q --invalidation-mode checked-hash app || true
  fi
fi
mv app "$out"
