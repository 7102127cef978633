# What compiles and links C and C++, against the set's own glibc: gems with C code and Rust's
# programs need it. It builds and is never shipped.
{
  mkDeb,
  packages,
  glibc,
  busybox,
}:
mkDeb {
  name = "cc";
  of = [
    "gcc-12"
    "g++-12"
    "cpp-12"
    "libgcc-12-dev"
    "libstdc++-12-dev"
    "libc6-dev"
    "libcrypt-dev"
    "linux-libc-dev"
    "zlib1g-dev"
    "binutils"
    "binutils-common"
    "binutils-x86-64-linux-gnu"
    "libbinutils"
    "make"
  ];
  post = ''
    # links and linker scripts that name Debian's own folders
    find $out/lib -type l | while read -r link; do
      name=$(readlink "$link")
      case $name in
        /*)
          for folder in $out/lib ${glibc}/lib ${packages.zlib1g}/lib; do
            [ ! -e $folder/''${name##*/} ] || ln -sf $folder/''${name##*/} "$link"
          done
          ;;
      esac
    done
    for script in $out/lib/libc.so $out/lib/libm.so; do
      sed -i -E \
        -e "s|/usr/lib/x86_64-linux-gnu/|$out/lib/|g" \
        -e "s|/lib/x86_64-linux-gnu/|${glibc}/lib/|g" \
        -e "s|/lib64/|${glibc}/lib/|g" $script
    done
    # without debugging information, which would name this very path
    mkdir -p $out/libexec
    wrap() { # $1: the program; then the names it goes by
      mv $out/bin/$1 $out/libexec/$1
      program=$1
      shift
      for name in "$@"; do
        cat > $out/bin/$name <<END
    #!${busybox}/bin/busybox sh
    exec $out/libexec/$program -B$out/bin -B$out/lib "\$@" -g0 \\
      -idirafter $out/include/x86_64-linux-gnu -idirafter $out/include \\
      -L$out/lib -L${glibc}/lib -L${packages."libstdc++6"}/lib \\
      -Wl,-dynamic-linker=${glibc}/lib/ld-linux-x86-64.so.2 \\
      -Wl,-rpath,${glibc}/lib:${packages."libstdc++6"}/lib
    END
        chmod +x $out/bin/$name
      done
    }
    rm -f $out/bin/gcc-12 $out/bin/g++-12
    find $out/lib/gcc -name 'lto*' -exec rm {} +
    wrap x86_64-linux-gnu-gcc-12 gcc cc gcc-12 x86_64-linux-gnu-gcc
    wrap x86_64-linux-gnu-g++-12 g++ c++ g++-12 x86_64-linux-gnu-g++
  '';
}
