"""Input errors: one line for the user, exit code 2, no traceback."""

import errno
import re
from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST, _LONGEST_NAME = 20_000, 200  # characters
_SHORTAGES = {
    (errno.ENOSPC, errno.EDQUOT): "no space left on the disk, or its quota is used up; free some and try again",
    (errno.EMFILE, errno.ENFILE): "too many open files: raise the limit with ulimit -n",
    (errno.ENOMEM,): "not enough memory; close other programs and try again",
}


# What stands between the user's name and the host of an address; a port has digits alone. A Path has one slash of two.
_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]+://?[^\s/:@'\"]*):(?!\d+(/|$))[^\s'\"]*@", re.IGNORECASE)


class InputError(ValueError):
    """Wrong input or call; the message is one line: what is wrong, where, what to do. It shows no password.

    Line breaks in it, which names in files may have, become spaces; beyond 20,000 characters it is cut off.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(hide_passwords(" ".join(str(message).splitlines())[:_LONGEST]))


def hide_passwords(text: str) -> str:
    """Return a text with *** for the passwords of addresses in it.

    >>> hide_passwords("s3://me:secret@host/a.jpg: no such file; http://host:80/x")
    's3://me:***@host/a.jpg: no such file; http://host:80/x'
    """
    return _PASSWORD.sub(r"\1:***@", text) if ":/" in text else text


def unknown_name_error(kind: str, value: object, known: Iterable[str]) -> InputError:
    """Return the error for an unknown name: the value, the nearest known name, all known names.

    >>> str(unknown_name_error("backbone", "vgg91", ["vgg16", "vgg19", "resnet50"]))
    "unknown backbone 'vgg91'; did you mean 'vgg19'? Known: vgg16, vgg19, resnet50"
    """
    names = [str(name) for name in known]
    nearest = nearest_name(str(value), names)
    hint = f"; did you mean {nearest!r}?" if nearest else "."
    return InputError(f"unknown {kind} {value!r}{hint} Known: {', '.join(names)}")


def nearest_name(value: str, names: Iterable[str]) -> str:
    """Return the name most similar to `value`; "" when none is similar, or it is longer than 200 characters."""
    if len(value) > _LONGEST_NAME:
        return ""
    names = [name for name in names if len(name) <= _LONGEST_NAME]
    return next(iter(get_close_matches(value, names, n=1, cutoff=0.4)), "")


def os_error_message(error: OSError) -> str:
    """Return a failed file operation as one line with its remedy; "" where neither file nor remedy is known."""
    if message := _shortage_message(error):
        return message
    return "" if error.filename is None else f"{error.filename}: {error.strerror}"


def reraise_shortage(error: BaseException) -> None:
    """Raise InputError when an error is a lack of file handles, memory or disk: its file is not damaged."""
    message = _shortage_message(error) if isinstance(error, OSError) else ""
    if message:
        raise InputError(message) from None


def _shortage_message(error: OSError) -> str:
    # HDF5 gives the number in its text only.
    in_text = re.search(r"errno = (\d+)", str(error))
    number = error.errno or (int(in_text[1]) if in_text else 0)
    where = "" if error.filename is None else f"{error.filename}: "
    return next((f"{where}{text}" for numbers, text in _SHORTAGES.items() if number in numbers), "")
