# Makes $out of the folders that are kept, after sealed.sh.
mkdir -p "$out/app"
n=0
while [ $n -lt "$kept_count" ]; do
  text kept $n
  case $text in
    /deps/*) from=.$text to=$out$text ;;
    *) from=app/$text to=$out/app/$text ;;
  esac
  if [ -d "$from" ]; then
    mkdir -p "$(dirname "$to")"
    mv "$from" "$to"
  fi
  n=$((n + 1))
done
# where packages came from, and when
rm -f "$out/app/node_modules/.package-lock.json" "$out"/app/node_modules/.pnpm-workspace-state*
if [ -f "$out/app/node_modules/.modules.yaml" ]; then
  sed -i '/^ *"\{0,1\}prunedAt"\{0,1\}:/d' "$out/app/node_modules/.modules.yaml"
fi
# when crates were last used, and a note of rustc's in any order
rm -f "$out"/deps/cargo/.global-cache* "$out/app/target/.rustc_info.json"
# what compiling gems leaves behind, with random names in it, and the archives of all gems
for gems in "$out"/deps/ruby/ruby/*; do
  [ -d "$gems" ] || continue
  rm -rf "$gems/cache"
  find "$gems" \( -name gem_make.out -o -name mkmf.log -o -path '*/ext/*.o' \
    -o -path '*/ext/*/Makefile' -o -path '*/ext/Makefile' \) -exec rm {} +
done
