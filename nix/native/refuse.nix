# An error of the repository's, fit for its author: the panel takes it apart again.
#
# what, why, fix: as in every error of paas. file: the one at fault, relative to the repository.
# name, known: a name that is not known and those that are, of which the panel tells the nearest.
{
  what,
  why,
  fix,
  file ? "",
  name ? "",
  known ? [ ],
}:
let
  # A line of the log takes no more, and the author needs no more.
  cut = text: builtins.substring 0 400 (builtins.unsafeDiscardStringContext text);
in
throw "paas-refusal:${
  builtins.toJSON {
    what = cut what;
    why = cut why;
    fix = cut fix;
    file = cut file;
    name = cut name;
    inherit known;
  }
}"
