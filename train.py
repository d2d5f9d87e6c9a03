"""`python train.py --task article_type --backbone vgg19`: the same as `fashion-keras train`."""

import sys

from fashion_keras.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
