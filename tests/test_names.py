"""Plain technical English: words that must not come back, in identifiers, help and documentation; sizes of functions.

The words are those of the project's private dialect before it took the field's terms: an image is an "image", a network
"predicts", rejected rows are "rejected", and a variable is named after its value.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from fashion_keras.cli import _parser

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "fashion_keras").rglob("*.py"))
DOCUMENTS = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md",
    ROOT / "data" / "README.md", ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "fashion_keras").rglob("*.md")),
]  # fmt: skip
LARGEST_FUNCTION, LARGEST_FILE = 50, 260  # lines

# A part of an identifier (split at underscores and capitals) -> what to write for it.
WORDS = {
    "said": "predictions, output", "says": "predicts", "say": "predict", "told": "given", "tell": "report",
    "tells": "reports", "ask": "request", "asks": "requests", "asked": "requested", "asking": "request",
    "answer": "prediction", "answers": "predictions", "answered": "predicted", "question": "label",
    "questions": "labels", "judge": "evaluate", "judges": "evaluates", "judged": "evaluated", "judging": "evaluation",
    "learn": "fit, train", "learns": "fits", "learnt": "fitted", "promise": "target precision", "goal": "target",
    "promised": "target", "picture": "image", "pictures": "images", "stranger": "outlier", "strangers": "outliers",
    "strange": "is_outlier", "likeness": "similarity", "alike": "similar",
}  # fmt: skip
# A whole identifier -> what to write for it.
WHOLE = {
    "found": "matches, rows, paths", "kept": "accepted, remaining, selected", "about": "header, metadata, help",
    "one": "row, index, product",
}  # fmt: skip
DOCUMENT_WORDS = ("picture", "pictures", "promise", "promised", "set aside", "sets aside", "learnt", "stranger",
                  "strangers", "says", "said", "likeness")  # fmt: skip


def identifiers(tree):
    """(line, name) of every identifier that a file defines or binds, and of every keyword that it passes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield node.lineno, name
            case ast.keyword(arg=str(name)):
                yield node.value.lineno, name
            case ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)):
                yield getattr(node, "lineno", 0), name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name


def forbidden_word(name):
    """The first word of an identifier that is not plain, or None."""
    if name.strip("_") in WHOLE:
        return name.strip("_")
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return next((part.lower() for part in parts if part.lower() in WORDS), None)


def forbidden_in(text, place=""):
    """Word -> places in a document, help or source text where it is not plain."""
    pattern = re.compile(rf"\b({'|'.join(DOCUMENT_WORDS)})\b", re.IGNORECASE)
    places = defaultdict(list)
    for number, line in enumerate(text.splitlines(), start=1):
        for match in pattern.finditer(line):
            places[match[1].lower()].append(f"{place}:{number}")
    return places


def refuse(offenders, what):
    """Fail with a line for each word: how often it stands there, and the first places."""
    lines = [
        f"{word} ({len(places)}): {', '.join([*dict.fromkeys(places)][:8])}"
        for word, places in sorted(offenders.items())
    ]
    if lines:
        pytest.fail("\n".join([what, *lines]), pytrace=False)


def subcommands(parser, words=()):
    """(words, parser) of a command line parser and of all commands below it."""
    yield words, parser
    for action in parser._actions:
        if isinstance(getattr(action, "choices", None), dict):
            for name, child in action.choices.items():
                yield from subcommands(child, (*words, name))


COMMANDS = dict(subcommands(_parser()))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("_said", "said"), ("all_pictures", "picture"), ("AlikeSampling", "alike"), ("learn", "learn"),
        ("one", "one"), ("one_hot", None), ("about", "about"), ("image_ids", None), ("learning_rate", None),
        ("task", None), ("_kept", "kept"), ("found", "found"), ("foundation", None),
    ],
)  # fmt: skip
def test_forbidden_word_splits_identifiers(name, word):
    assert forbidden_word(name) == (word if name != "all_pictures" else "pictures")


def test_identifiers_covers_every_way_to_bind_a_name():
    code = (
        "import numpy as said\nclass Picture: promise = 1\ndef ask(one, *kept, about=2, **found):\n"
        "    for judge in (learnt := one): self.told = answer(question=1)\nlambda strange: 0\n"
        "try: 0\nexcept E as alike: 0\n"
    )
    names = {name for _, name in identifiers(ast.parse(code))}
    assert names == {
        "said", "Picture", "promise", "ask", "one", "kept", "about", "found", "judge", "learnt", "told", "question",
        "strange", "alike",
    }  # fmt: skip


def test_identifiers_are_plain():
    offenders = defaultdict(list)
    for path in FILES:
        for line, name in identifiers(ast.parse(path.read_text())):
            if word := forbidden_word(name):
                offenders[f"{word} -> {WORDS.get(word) or WHOLE[word]}"].append(f"{path.relative_to(ROOT)}:{line}")
    refuse(offenders, "identifiers to rename")


def test_docstrings_comments_and_messages_are_plain():
    offenders = defaultdict(list)
    for path in FILES:
        for word, places in forbidden_in(path.read_text(), str(path.relative_to(ROOT))).items():
            offenders[word] += places
    refuse(offenders, "words to replace in the source")


def test_file_names_are_plain():
    assert not {str(path.relative_to(ROOT)) for path in FILES if forbidden_word(path.stem)}


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "fashion-keras")
def test_help_is_plain(words):
    refuse(forbidden_in(COMMANDS[words].format_help(), "line"), f"help of {' '.join(words)}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_document_is_plain(path):
    refuse(forbidden_in(path.read_text(), "line"), f"{path.relative_to(ROOT)}")


def test_functions_and_files_are_short():
    long = defaultdict(list)
    for path in FILES:
        text, place = path.read_text(), str(path.relative_to(ROOT))
        if (lines := len(text.splitlines())) > LARGEST_FILE:
            long[f"files above {LARGEST_FILE} lines"].append(f"{place} {lines}")
        for node in ast.walk(ast.parse(text)):
            lines = getattr(node, "end_lineno", 0) - getattr(node, "lineno", 0) + 1
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines > LARGEST_FUNCTION:
                long[f"functions above {LARGEST_FUNCTION} lines"].append(f"{place} {node.name} {lines}")
    refuse(long, "what is too long")
