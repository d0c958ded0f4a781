"""One way of writing words, for what is indexed and for what is asked.

Every code point is folded on its own, so that the work is linear whatever a message holds: Unicode
normalisation of a whole text sorts runs of combining marks, which takes quadratic time. The result
holds letters, digits and single symbols, with spaces between words, and nothing else: what a word
is gets decided here and not by the tokenizer, which only splits at spaces.

- NFKD (Unicode Standard Annex 15) and case folding: width, ligatures and case do not matter.
- Accents, Hebrew points and Arabic vowel signs go; vowel signs of the Indic scripts stay, where
  they are letters. Format characters and the Arabic tatweel go, too.
- Letters that Unicode does not decompose are mapped as people type them: ł is l, ø is o, æ is ae.
- Scripts without spaces (Han, kana, Thai, Lao, Burmese, Khmer), Hangul, where particles cling to
  words, and emoji stand one by one: a search for several in a row is a phrase, so it finds them
  inside longer words.
"""

import re
import unicodedata
from typing import Final

_LETTERS: Final = {
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "ħ": "h",
    "ŧ": "t",
    "ı": "i",
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ـ": "",
}

_ACCENTS: Final = (
    range(0x0300, 0x0900),
    range(0x1AB0, 0x1B00),
    range(0x1DC0, 0x1E00),
    range(0x20D0, 0x2100),
    range(0x302A, 0x3030),
    range(0xFE00, 0xFE30),
    range(0xE0100, 0xE01F0),
)
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_EMOJI: Final = (range(0x2600, 0x27C0), range(0x1F000, 0x1FB00))
_ALONE: Final = (
    range(0x0E01, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Burmese
    range(0x1780, 0x1800),  # Khmer
    range(0x2E80, 0x2FE0),  # radicals
    range(0x3005, 0x3130),  # kana, bopomofo
    range(0x31A0, 0x31C0),
    range(0x31F0, 0x3200),
    range(0x3400, 0x4DC0),  # Han
    range(0x4E00, 0xA000),
    range(0xAC00, 0xD7A4),  # Hangul syllables
    range(0xF900, 0xFB00),
    range(0x1AFF0, 0x1B170),
    range(0x20000, 0x40000),
)
_ZERO_WIDTH_SPACE: Final = "\u200b"
_DECOMPOSED_HANGUL: Final = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?")

# Enough for every script that one person reads; a hostile message must not fill the memory.
_REMEMBERED: Final = 1 << 16


class _Folding(dict[int, str]):
    """What each code point becomes, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code))
        if len(self) < _REMEMBERED:
            self[code] = folded
        return folded


def _fold(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character).casefold()
    return "".join(map(_fold_decomposed, _composed_hangul(decomposed)))


def _fold_decomposed(character: str) -> str:
    if (mapped := _LETTERS.get(character)) is not None:
        return mapped
    category, code = unicodedata.category(character), ord(character)
    if category == "Cf":
        return " " if character == _ZERO_WIDTH_SPACE else ""
    if code in _SKIN_TONES or (category[0] == "M" and _within(code, _ACCENTS)):
        return ""
    if category[0] in "LMN":
        return f" {character} " if _within(code, _ALONE) else character
    return f" {character} " if category == "So" and _within(code, _EMOJI) else " "


def _within(code: int, ranges: tuple[range, ...]) -> bool:
    return any(code in range_ for range_ in ranges)


_FOLDING: Final = _Folding()
_ASCII: Final = "".join(chr(c).lower() if chr(c).isalnum() else " " for c in range(128))


def normalise(text: str) -> str:
    """Words as the index knows them, between runs of spaces, in the order of ``text``.

    Takes time and memory in proportion to ``text``. Normalising twice gives the same words.
    """
    if text.isascii():
        return text.translate(_ASCII)
    return _composed_hangul(text).translate(_FOLDING)


def tokens(text: str) -> list[str]:
    """The words of ``text`` in its order, normalised; none where it holds only punctuation."""
    return normalise(text).split()


def _composed_hangul(text: str) -> str:
    return _DECOMPOSED_HANGUL.sub(lambda found: unicodedata.normalize("NFC", found[0]), text)
