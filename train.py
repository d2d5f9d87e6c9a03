"""`python train.py --task article_type --backbone vgg19`: the same as `fashion-keras train`."""

import sys

from fashion_keras.__main__ import program

if __name__ == "__main__":
    sys.exit(program(["train", *sys.argv[1:]]))
