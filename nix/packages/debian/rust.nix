# Rust's compiler and Cargo; what they link with is `cc`.
{
  debs,
  mkDeb,
}:
mkDeb {
  name = "rust";
  of = [
    "rustc-web"
    "cargo-web"
    "libstd-rust-web-dev"
  ]
  # whose name holds the version
  ++ builtins.filter (name: builtins.match "libstd-rust-web-[0-9.]+" name != null) (
    builtins.attrNames debs
  );
  post = "rm -rf $out/share";
}
