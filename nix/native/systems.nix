# What `import systems` gives: the systems of the servers.
[
  "x86_64-linux"
  "aarch64-linux"
]
