"""Errors that name the remedy."""

import errno
import os

import pytest

from fashion_keras.support.errors import nearest_name, os_error_message, unknown_name_error


def test_unknown_name_error_offers_nothing_when_nothing_is_near():
    assert str(unknown_name_error("head", "zzz", ["plain"])) == "unknown head 'zzz'. Known: plain"


def test_nearest_name():
    assert nearest_name("trian", ["train", "tag"]) == "train"
    assert nearest_name("zzz", ["train", "tag"]) == ""


FULL, MANY = "no space left on the disk, or its quota is used up; free some and try again", "ulimit -n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), FULL),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "a.npy"), f"a.npy: {FULL}"),
        (OSError("Can't write data (errno = 28, error message = 'No space left on device')"), FULL),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "a.npy"), "a.npy: too many open files: raise the limit"),
        (OSError(errno.ENFILE, os.strerror(errno.ENFILE)), MANY),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a: Permission denied"),
        (OSError(errno.EIO, "Input/output error"), ""),
        (OSError("something else"), ""),
    ],
)
def test_os_error_message(error, message):
    assert message in os_error_message(error)
    assert bool(message) == bool(os_error_message(error))
