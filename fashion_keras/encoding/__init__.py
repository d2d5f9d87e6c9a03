"""The hinge: a frozen network sees each image once, at the speed of the machine."""
