# The builder of mkDerivation where the package set has none: nixpkgs' phases, those of them
# that an app's own package uses. Without a compiler, configure and build do what they are told.
set -o pipefail
export PATH=$inputPath HOME=$NIX_BUILD_TOP
CONFIG_SHELL=$shellProgram

# What the set's tools lack, busybox has.
for tool in tar gzip bzip2 xz unzip; do
  command -v $tool > /dev/null || eval "$tool() { busybox $tool \"\$@\"; }"
done

runHook() {
  if [ "$(type -t "$1")" = function ]; then "$1"; else eval "${!1-}"; fi
}

substituteInPlace() {
  local file=$1 text
  shift
  text=$(cat "$file"; echo .)
  while [ $# -gt 0 ]; do
    case $1 in
      --replace | --replace-fail | --replace-quiet | --replace-warn) text=${text//"$2"/"$3"}; shift 3 ;;
      --subst-var-by) text=${text//"@$2@"/"$3"}; shift 3 ;;
      *) echo "substituteInPlace: $1 is not known here" >&2; return 1 ;;
    esac
  done
  printf '%s' "${text%.}" > "$file"
}

unpackOne() {
  if [ -d "$1" ]; then
    cp -r --no-preserve=ownership -- "$1" source
  else
    mkdir source
    case $1 in
      *.tar.gz | *.tgz) gzip -dc < "$1" | tar -x -C source ;;
      *.tar.bz2) bzip2 -dc < "$1" | tar -x -C source ;;
      *.tar.xz) xz -dc < "$1" | tar -x -C source ;;
      *.tar*) tar -xf "$1" -C source ;;
      *.zip) unzip -q "$1" -d source ;;
      *) cp -- "$1" source/ ;;
    esac
  fi
  chmod -R u+w source
}

defaultUnpackPhase() {
  runHook preUnpack
  if [ -n "${src-}" ]; then
    unpackOne "$src"
    local entries=(source/*)
    if [ -f "$src" ] && [ ${#entries[@]} = 1 ] && [ -d "${entries[0]}" ]; then
      : "${sourceRoot:=${entries[0]}}" # an archive of one folder, as most are
    fi
    cd "${sourceRoot:-source}"
  elif [ -z "${dontUnpack-}" ]; then
    echo "mkDerivation needs src, or dontUnpack = true" >&2
    exit 1
  fi
  runHook postUnpack
}

defaultPatchPhase() {
  runHook prePatch
  local one
  for one in ${patches-}; do patch -p1 < "$one"; done
  runHook postPatch
}

defaultConfigurePhase() {
  runHook preConfigure
  if [ -z "${dontConfigure-}" ] && [ -x ./configure ]; then ./configure --prefix="$out" ${configureFlags-}; fi
  runHook postConfigure
}

defaultBuildPhase() {
  runHook preBuild
  if [ -z "${dontBuild-}" ] && [ -f Makefile ]; then make ${makeFlags-}; fi
  runHook postBuild
}

defaultInstallPhase() {
  runHook preInstall
  if [ -f Makefile ]; then
    make install PREFIX="$out" prefix="$out" ${makeFlags-} ${installFlags-}
  else
    echo "mkDerivation needs an installPhase that makes \$out" >&2
    exit 1
  fi
  runHook postInstall
}

defaultFixupPhase() {
  runHook preFixup
  runHook postFixup
}

phase() {
  if [ -n "${!1-}" ]; then
    echo "$1" >&2
    eval "${!1}"
  else
    local name=${1^}
    "default$name"
  fi
}

if [ -n "${buildCommandPath-}" ]; then
  . "$buildCommandPath"
elif [ -n "${buildCommand-}" ]; then
  eval "$buildCommand"
else
  if [ -n "${dontUnpack-}" ] && [ -z "${unpackPhase-}" ]; then :; else phase unpackPhase; fi
  for name in patchPhase configurePhase buildPhase installPhase fixupPhase; do phase "$name"; done
fi
: # what a script ends with must not be exec'd: Nix ends a builder whose output is at its end
