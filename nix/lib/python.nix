# A virtual environment of wheels: a function of the interpreter and the wheels alone, so that no
# change of the source touches it.
{
  pkgs,
  interpreter,
  wheels,
}:
pkgs.run {
  name = "python-dependencies";
  inherit interpreter wheels;
  path = [ pkgs.uv ];
  script = ''
    export UV_NO_CACHE=1 UV_OFFLINE=1 UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never
    uv venv --quiet --python $interpreter/bin/python3 $out
    rm -rf $out/.lock $out/.gitignore $out/CACHEDIR.TAG $out/bin/activate* $out/bin/deactivate*
    rm -f $out/bin/pydoc.bat $out/bin/activate_this.py
    mkdir wheels
    for wheel in $wheels; do
      file=''${wheel#/nix/store/}
      file=''${file#*-}
      ln -s $wheel wheels/$file
      name=''${file%%-*}
      rest=''${file#*-}
      echo "$name==''${rest%%-*}" >> wanted.txt
    done
    if [ -n "$wheels" ]; then
      uv pip install --quiet --python $out/bin/python --no-index --no-deps --find-links wheels \
        -r wanted.txt
    fi
    # what the tree installs of itself is a site folder too, where it is shown
    for site in $out/lib/python3.*/site-packages; do
      layer=/deps/project/''${site#$out/}
      printf "import os, site; os.path.isdir('%s') and site.addsitedir('%s')\n" "$layer" "$layer" \
        > "$site/paas-project.pth"
    done
    # sets are written in the order of their hashes
    PYTHONHASHSEED=0 $out/bin/python -m compileall -q --invalidation-mode unchecked-hash $out/lib || true
    # when and from where it was installed
    find $out/lib -name direct_url.json -o -name uv_cache.json | while read -r file; do rm "$file"; done
    find $out/lib -path '*.dist-info/RECORD' | while read -r record; do
      sed -i '/\.dist-info\/\(direct_url\|uv_cache\)\.json,/d' "$record"
    done
  '';
}
