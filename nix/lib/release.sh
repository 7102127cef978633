# In: $app, $base, $busybox; type_<n> and command_<n>; mount_<n> at target_<n>; environment.
mkdir -p "$out/bin" "$out/commands" "$out/processes" "$out/root"
ln -s "$app" "$out/app"
for folder in bin etc share usr; do ln -s "$base/$folder" "$out/root/$folder"; done
n=0
while [ $n -lt "$mount_count" ]; do
  text target $n; target=$out/root$text
  text mount $n
  mkdir -p "$(dirname "$target")"
  ln -s "$text" "$target"
  n=$((n + 1))
done
cp "$environmentPath" "$out/environment.json"

cat > "$out/bin/start" <<END
#!$busybox/bin/busybox sh
PATH=\$PATH:$busybox/bin
if [ -z "\$(ls -A /app)" ]; then cp -R $app/. /app/ && chmod -R u+w /app; fi
cd /app || exit
export HOME=/app
exec /bin/sh -c "\$1"
END
chmod +x "$out/bin/start"
n=0
while [ $n -lt "$type_count" ]; do
  text type $n
  cp "$(file command $n)" "$out/commands/$text"
  cat > "$out/processes/$text" <<END
#!$busybox/bin/busybox sh
exec $out/bin/start "\$($busybox/bin/busybox cat $out/commands/$text)"
END
  chmod +x "$out/processes/$text"
  n=$((n + 1))
done
