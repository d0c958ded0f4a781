from hypothesis import given
from hypothesis import strategies as st

from archiver.index.normalise import tokens
from archiver.index.snippet import snippet

FILLER = "lorem ipsum dolor sit amet " * 100


def test_short_text_is_shown_whole() -> None:
    """A text that fits is shown as it is, with its white space folded."""
    assert snippet("Dear Zoë,\n\n  see   you\n", ["zoe"]) == "Dear Zoë, see you"


def test_shows_the_match() -> None:
    """The words round the match are shown, with an ellipsis where text is left out."""
    shown = snippet(f"{FILLER}the Zoë affair {FILLER}", ["zoe"])
    assert "the Zoë affair" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert 100 < len(shown) <= 161


def test_shows_whole_words_only() -> None:
    """A part of a word is no match, since the search did not count it either."""
    assert "zebra x" in snippet(f"zebras {FILLER} zebra x", ["zebra"])


def test_match_across_lines() -> None:
    """A phrase is found where a line ends inside it."""
    assert "annual report" in snippet(f"{FILLER}annual\nreport {FILLER}", ["annual report"])


def test_match_where_pieces_meet() -> None:
    """A word is found wherever in a long text it lies."""
    for start in range(850, 1050):
        assert "zebra" in snippet("x " * (start // 2) + "zebra " + FILLER, ["zebra"])


def test_text_without_spaces() -> None:
    """A match inside text without spaces is shown as well."""
    shown = snippet("漢字" * 500 + "東京" + "漢字" * 500, tokens("東京"))
    assert "東京" in shown
    assert len(shown) <= 161


def test_start_without_match() -> None:
    """Where the match is elsewhere in the message, the text's start is shown."""
    assert snippet(FILLER, ["zebra"]).startswith("lorem ipsum")
    assert snippet("", ["zebra"]) == ""


@given(st.text(), st.text(min_size=1))
def test_any_text(text: str, word: str) -> None:
    """Whatever the text and the words, a snippet is short and on one line."""
    for term in tokens(word):
        shown = snippet(text, [term])
        assert len(shown) <= 161
        assert "\n" not in shown
