"""Words of a text."""

import re
import unicodedata

_WORD = re.compile(r"\w+")


def tokenize(text: str) -> list[str]:
    """Return the words of a text."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
