"""Executes a Plan as Nix derivations: fetch outside, everything else sealed and never repeated."""
