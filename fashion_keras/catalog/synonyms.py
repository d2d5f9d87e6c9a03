"""Search queries in other languages: their words are replaced by the English ones of the Kaggle fashion set.

The words are in synonyms.yaml: German, French, Spanish, Italian, Hindi, and English variants. The rule:

1. Words and phrases that the file has are found, the longest first. Accents make no difference where the word as it is
   written is not in the file; "ü" may be "ue".
2. What is no English names the languages of the query. English are the words of the file's English phrases and variants
   and those that it lists as `english`: "robe", "rock", "hose", "pull".
3. What is no English is replaced; so is a word that is English too, where another names its language: "robe rouge" is
   "dress red", "bath robe" stays. A word of several languages is taken as of the one that most other words are of.
4. Small words of a language ("für", "de", "के लिए") are dropped where a word of that language was replaced.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from fashion_keras.catalog.words import fold_case, stem, word_pattern

LANGUAGES = ("de", "fr", "es", "it", "hi")
_FILE = Path(__file__).with_name("synonyms.yaml")
_ENGLISH = "en"
# French and Italian words that an apostrophe joins to the next one.
_ELIDED = {"d", "l", "dell", "all"}
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
# The dot below and the two signs for a nasal vowel, which writers of Hindi leave out or mix up.
_DEVANAGARI = str.maketrans({"\u093c": None, "\u0901": "\u0902"})

Words = tuple[str, ...]


@dataclass(frozen=True)
class _Synonyms:
    """The file's content.

    Attributes:
        phrases: words -> language -> the English phrase; "en" -> "" for English words that stay.
        english: stems of the words that are English.
        glue: language -> small words.
        longest: number of words of the longest phrase.
    """

    phrases: Mapping[Words, Mapping[str, str]]
    english: frozenset[str]
    glue: Mapping[str, frozenset[str]]
    longest: int


@dataclass(frozen=True)
class _Word:
    """A word of a query and where it begins and ends; an elided word's end is behind its apostrophe."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class _Segment:
    """A phrase of the file in a query, or any other word.

    Attributes:
        words: of the query.
        meanings: language -> the English phrase, as in `_Synonyms.phrases`; empty for any other word.
        is_english: whether the words are English, or English too.
    """

    words: Sequence[_Word]
    meanings: Mapping[str, str]
    is_english: bool

    @property
    def languages(self) -> list[str]:
        """The other languages that it may be of."""
        return [language for language in LANGUAGES if language in self.meanings]


def expand_query(text: str) -> str:
    """Return a query with the words of other languages in English, and with English variants as the catalog has them.

    Everything else stays as it is written, in lower case, with single spaces. The module's text gives the rule.

    >>> expand_query("Hemd blau für Damen"), expand_query("Levi's bath robe"), expand_query("robe rouge")
    ('shirt blue women', "levi's bath robe", 'dress red')
    """
    text = fold_case(text)
    segments = [*_segments(_split(text))]
    chosen = _choose_languages(segments)
    glue = frozenset[str]().union(*(_load_synonyms().glue[name] for name in {*chosen} - {_ENGLISH}))
    parts, end = [], 0
    for segment, language, following in zip(segments, chosen, [*chosen, _ENGLISH][1:], strict=True):
        start = segment.words[0].start
        parts.append(text[end:start])
        end = segment.words[-1].end
        written = text[start:end]
        # The "l'" of "l'oreal" is no French article.
        is_name = written.endswith("'") and following == _ENGLISH
        if is_name or segment.meanings or _fold(segment.words[0].text) not in glue:
            parts.append(segment.meanings.get(language) or written)
    return " ".join("".join([*parts, text[end:]]).split())


def _choose_languages(segments: Sequence[_Segment]) -> list[str]:
    """Return the language that each segment is taken as of, "en" for what stays."""
    counts = Counter(language for segment in segments if not segment.is_english for language in segment.languages)
    # The language of most words first; of as many, in the order of LANGUAGES.
    languages = sorted(counts, key=lambda language: (-counts[language], LANGUAGES.index(language)))
    return [next((name for name in languages if name in segment.meanings), _ENGLISH) for segment in segments]


def _split(text: str) -> list[_Word]:
    """Return the words of a text that `fold_case` returned."""
    words = []
    for match in word_pattern(text).finditer(text):
        start, (article, apostrophe, noun) = match.start(), match[0].partition("'")
        if apostrophe and article in _ELIDED:
            words.append(_Word(article, start, start + len(article) + 1))
            words.append(_Word(noun.replace("'", ""), words[-1].end, match.end()))
        else:
            words.append(_Word(match[0].replace("'", ""), start, match.end()))
    return words


def _segments(words: Sequence[_Word]) -> Iterator[_Segment]:
    """Yield the phrases that the file has, the longest that begin at a word, and the words between them."""
    synonyms, start = _load_synonyms(), 0
    while start < len(words):
        for length in range(min(synonyms.longest, len(words) - start), 0, -1):
            part = words[start : start + length]
            phrase = tuple(word.text for word in part)
            meanings = synonyms.phrases.get(phrase) or synonyms.phrases.get(tuple(map(_fold, phrase)), {})
            if meanings or length == 1:
                is_english = _ENGLISH in meanings or all(stem(word) in synonyms.english for word in phrase)
                yield _Segment(part, meanings, is_english)
                start += length
                break


def _fold(word: str) -> str:
    """Return a word without accents; Devanagari keeps its vowels."""
    if word.isascii():
        return word
    plain = "".join(mark for mark in unicodedata.normalize("NFD", word) if not "\u0300" <= mark <= "\u036f")
    return plain.translate(_DEVANAGARI)


@lru_cache(maxsize=1)
def _load_synonyms() -> _Synonyms:
    """Read the file that comes with the package."""
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    phrases: dict[Words, dict[str, str]] = {}
    others: list[tuple[Words, str, str]] = []
    for canonical, languages in content["phrases"].items():
        phrases.setdefault(_words(canonical), {})[_ENGLISH] = ""
        for language, synonyms in languages.items():
            for words in map(_words, synonyms):
                phrases.setdefault(words, {})[language] = canonical
                others += [(other, language, canonical) for other in _other_spellings(words)]
    for phrase in content["english"]:
        if len(words := _words(phrase)) > 1:
            phrases.setdefault(words, {})[_ENGLISH] = ""
    # After all words as they are written: those have precedence.
    for words, language, canonical in others:
        phrases.setdefault(words, {}).setdefault(language, canonical)
    english = {word for words, meanings in phrases.items() if _ENGLISH in meanings for word in words}
    english |= {word for phrase in content["english"] for word in _words(phrase)}
    glue = {name: frozenset(_fold(fold_case(word)) for word in words) for name, words in content["glue"].items()}
    glue["de"] |= {word.translate(_UMLAUTS) for word in content["glue"]["de"]}
    return _Synonyms(phrases, frozenset(map(stem, english)), glue, max(map(len, phrases)))


def _words(phrase: str) -> Words:
    return tuple(word.text for word in _split(fold_case(phrase)))


def _other_spellings(words: Words) -> Iterator[Words]:
    """Yield a phrase without its accents, and with "ue" for "ü", where these differ from it."""
    spellings = {tuple(map(_fold, words)), tuple(word.translate(_UMLAUTS) for word in words)}
    yield from spellings - {words}
