"""`python -m fashion_keras`: the same as `fashion-keras`."""

import sys

from fashion_keras.cli import main

sys.exit(main())
