import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.index.normalise import normalise, tokens


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Hello, World_42!", "hello world 42"),
        ("zoe@mail.example.com", "zoe mail example com"),
        ("don't don’t", "don t don t"),
        ("Zoë naïve", "zoe naive"),
        ("Zoe\u0308 nai\u0308ve", "zoe naive"),
        ("Łódź Ærø Œuvre Þór Đorđe", "lodz aero oeuvre thor dorde"),
        ("İstanbul ISTANBUL ıstanbul", "istanbul istanbul istanbul"),
        ("Straße STRASSE STRAẞE", "strasse strasse strasse"),
        ("Σίσυφος ΣΊΣΥΦΟΣ", "σισυφοσ σισυφοσ"),
        ("Ёлка елка", "елка елка"),
        ("ｆｕｌｌ １２ ﬁne x² №", "full 12 fine x2 no"),
        ("soft\u00adhyphen zero\u200bwidth\u2060joined", "softhyphen zero widthjoined"),
        ("漢字かな", "漢 字 か な"),
        ("ABC漢字123", "abc 漢 字 123"),
        ("がｶﾞ", "か \u3099 カ \u3099"),
        ("\u304b\u3099", "か \u3099"),
        ("한국어를", "한 국 어 를"),
        ("สวัสดี", "ส ว ั ส ด ี"),
        ("كِتَابٌ كـتاب أحمد", "كتاب كتاب احمد"),
        ("שָׁלוֹם", "שלום"),
        ("हिन्दी", "हिन्दी"),
        ("yes👍🏽no ❤️ 👨\u200d👩", "yes 👍 no ❤ 👨 👩"),
        ("── ■ \ufffd \ue000 \x00 \ud800", ""),
    ],
)
def test_words(written: str, words: str) -> None:
    """Words come out without accents, case, width and punctuation, in every script."""
    assert tokens(written) == words.split()


def test_decomposed_hangul() -> None:
    """Hangul as some systems write file names is the same as Hangul as people type it."""
    assert tokens(unicodedata.normalize("NFD", "한국어를")) == tokens("한국어를")


def test_every_code_point_is_settled() -> None:
    """Normalising what is normal changes no word, whatever the code point was."""
    everything = " ".join(map(chr, range(0x110000)))
    once = tokens(everything)
    assert tokens(" ".join(once)) == once


@given(st.text())
def test_ascii_is_no_special_case(text: str) -> None:
    """ASCII words read the same whether or not other characters stand in the same text."""
    ascii_text = text.encode("ascii", "ignore").decode()
    assert tokens(ascii_text + " é") == [*tokens(ascii_text), "e"]


@given(st.text())
def test_only_words_and_spaces(text: str) -> None:
    """Nothing that could mean something to the full-text query language gets through."""
    assert all(c == " " or unicodedata.category(c)[0] in "LMNS" for c in normalise(text))
    assert '"' not in normalise(text)


def test_many_marks_in_disorder() -> None:
    """A run of marks in disorder, which Unicode normalisation sorts in quadratic time, is quick."""
    assert tokens("a" + "\u0301\u0316" * 500_000) == ["a"]
