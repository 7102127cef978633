# What every app finds at `/`, whatever it is written in: a POSIX shell and the usual tools,
# certificates, time zones, users. One path, shared by all apps.
{ pkgs }:
pkgs.run {
  name = "app-base";
  inherit (pkgs)
    bash
    busybox
    cacert
    coreutils
    tzdata
    ;
  script = ''
    mkdir -p $out/bin $out/etc/ssl/certs $out/share $out/usr/share
    for applet in $(busybox --list); do
      case $applet in
        su|login|passwd|mount|umount|insmod|rmmod|modprobe|reboot|halt|poweroff|init) ;;
        *) ln -s $busybox/bin/busybox $out/bin/$applet ;;
      esac
    done
    ln -sf $coreutils/bin/* $out/bin/
    ln -sf $bash/bin/bash $bash/bin/sh $out/bin/
    ln -s /bin $out/usr/bin
    ln -s $tzdata/share/zoneinfo $out/share/zoneinfo
    ln -s $tzdata/share/zoneinfo $out/usr/share/zoneinfo
    ln -s $cacert/etc/ssl/certs/ca-bundle.crt $out/etc/ssl/certs/ca-certificates.crt
    printf '%s\n' root:x:0:0:root:/:/bin/sh app:x:1000:1000:app:/app:/bin/sh \
      nobody:x:65534:65534:nobody:/:/bin/false > $out/etc/passwd
    printf '%s\n' root:x:0: app:x:1000: nogroup:x:65534: > $out/etc/group
    printf '%s\n' 'passwd: files' 'group: files' 'hosts: files dns' 'services: files' \
      > $out/etc/nsswitch.conf
    printf '%s\n' '127.0.0.1 localhost' '::1 localhost' > $out/etc/hosts
  '';
}
