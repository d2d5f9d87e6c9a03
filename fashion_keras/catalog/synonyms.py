"""Synonyms."""


def expand_query(text: str) -> str:
    """Return the text."""
    return text
