"""The Nix store of an instance: which one, what is in it, how its paths reach other machines.

Knows no Django and builds nothing: builders, the local runtime and the
binary cache all ask it.
"""
