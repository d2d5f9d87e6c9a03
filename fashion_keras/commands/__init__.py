"""Commands of the `fashion-keras` program, one file per family."""
