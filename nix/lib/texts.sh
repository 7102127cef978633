# The lists of texts.nix: where an item lies, and what it says.
file() { eval "printf %s \"\$${1}_${2}Path\""; }
text() { # the item's exact text, trailing line ends included, in $text
  text=$(cat "$(file "$1" "$2")" && printf .)
  text=${text%.}
}
