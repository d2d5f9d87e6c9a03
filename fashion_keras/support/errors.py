"""Errors that a user can act on: one line, exit code 2, no traceback."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """What the caller gave is wrong; the message says what, where, and what to do instead."""


def unknown_name_error(kind: str, value: object, known: Iterable[str]) -> InputError:
    """Return the error for a name that is in no registry: the value, the nearest known name, all known names.

    >>> str(unknown("backbone", "vgg91", ["vgg16", "vgg19", "resnet50"]))
    "unknown backbone 'vgg91'; did you mean 'vgg19'? Known: vgg16, vgg19, resnet50"
    """
    names = [str(name) for name in known]
    near = get_close_matches(str(value), names, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return InputError(f"unknown {kind} {value!r}{hint} Known: {', '.join(names)}")
