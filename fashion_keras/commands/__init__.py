"""The commands of `fashion-keras`, one file per family; heavy libraries wait until a command needs them."""
