# PHP with the extensions that most apps expect, and Composer.
{
  mkDeb,
  run,
  unpackAll,
  version,
  busybox,
}:
rec {
  php = mkDeb {
    name = "php";
    of = [
      "php8.2-cli"
      "php8.2-fpm"
      "php8.2-common"
      "php8.2-opcache"
      "php8.2-readline"
      "php8.2-curl"
      "php8.2-intl"
      "php8.2-mbstring"
      "php8.2-xml"
      "php8.2-sqlite3"
      "php8.2-pgsql"
      "php8.2-mysql"
      "php8.2-zip"
    ];
    post = ''
      mkdir -p $out/etc/php $out/libexec
      modules=$(echo $out/lib/php/2*)
      echo "extension_dir=$modules" > $out/etc/php/00-modules.ini
      # each says when its turn is
      for file in $out/share/php8.2-*/*/*.ini; do
        turn=$(sed -n 's/^; *priority=//p' "$file")
        cp "$file" "$out/etc/php/''${turn:-20}-''${file##*/}"
      done
      for program in bin/php8.2 sbin/php-fpm8.2; do
        name=''${program##*/}
        name=''${name%8.2}
        mv $out/$program $out/libexec/$name
        cat > $out/bin/$name <<END
      #!${busybox}/bin/busybox sh
      export PHP_INI_SCAN_DIR="$out/etc/php\''${PHP_INI_SCAN_DIR:+:\$PHP_INI_SCAN_DIR}"
      exec $out/libexec/$name "\$@"
      END
        chmod +x $out/bin/$name
      done
      rm -rf $out/sbin $out/share
      find $out/bin -type l | while read -r link; do [ -e "$link" ] || rm "$link"; done
    '';
  };

  # Debian's finds its parts by PHP's include path
  composer = run {
    name = "composer-${version "composer"}";
    script =
      unpackAll [
        "composer"
        "jsonlint"
        "php-composer-ca-bundle"
        "php-composer-class-map-generator"
        "php-composer-metadata-minifier"
        "php-composer-pcre"
        "php-composer-semver"
        "php-composer-spdx-licenses"
        "php-composer-xdebug-handler"
        "php-json-schema"
        "php-psr-container"
        "php-psr-log"
        "php-react-promise"
        "php-seld-signal-handler"
        "php-symfony-console"
        "php-symfony-deprecation-contracts"
        "php-symfony-filesystem"
        "php-symfony-finder"
        "php-symfony-process"
        "php-symfony-service-contracts"
        "php-symfony-string"
      ]
      + ''
        mkdir -p $out/libexec
        mv $out/bin/composer $out/libexec/composer
        rm -rf $out/bin
        mkdir $out/bin
        cat > $out/bin/composer <<END
        #!${busybox}/bin/busybox sh
        exec ${php}/bin/php -d include_path=.:$out/share/php -d memory_limit=-1 $out/libexec/composer "\$@"
        END
        chmod +x $out/bin/composer
      '';
  };
}
