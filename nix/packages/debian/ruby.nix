# Ruby with Bundler, and what gems with C code are compiled against.
{
  mkDeb,
  wrapper,
}:
mkDeb {
  name = "ruby";
  of = [
    "ruby3.1"
    "libruby3.1"
    "ruby3.1-dev"
    "ruby-rubygems"
    "ruby-bundler"
    "ruby-thor"
    "ruby-net-http-persistent"
    "ruby-connection-pool"
  ];
  post = ''
    mv $out/bin/ruby3.1 $out/bin/ruby
    for file in $out/bin/*; do
      sed -i "1s|^#!/usr/bin/ruby[0-9.]*|#!$out/bin/ruby|" "$file"
      [ -e "''${file%3.1}" ] || mv "$file" "''${file%3.1}"
    done
    ln -sf bundle $out/bin/bundler
    # by which gems with C code are compiled
    sed -i -E \
      -e "s|^( *TOPDIR =).*|\1 \"$out\"|" \
      -e "s|(\"RUBY_EXEC_PREFIX\"\] =).*|\1 \"$out\"|" \
      -e 's#(_BASE_NAME\))3\.1#\1#' \
      -e 's#x86_64-linux-gnu-gcc-(ar|nm|ranlib)#\1#' \
      $out/lib/ruby/3.1.0/rbconfig.rb
    # Debian's own looks for Bundler as a gem at a fixed place
    cat > $out/bin/bundle <<END
    #!$out/bin/ruby
    require "bundler"
    require "bundler/friendly_errors"
    ENV["BUNDLER_VERSION"] ||= Bundler::VERSION # there is no other to switch to
    Bundler.with_friendly_errors do
      require "bundler/cli"
      Bundler::CLI.start(ARGV.dup, debug: true)
    end
    END
    ${wrapper "ruby" "export RUBYLIB=$out/lib/ruby/vendor_ruby:$out/lib/ruby/3.1.0:$out/lib/ruby/3.1.0/x86_64-linux-gnu:$out/lib/x86_64-linux-gnu/ruby/3.1.0:$out/lib/ruby/gems/3.1.0"}
  '';
}
