"""A message as lines for a terminal: wrapped, harmless, cut where there is too much of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from archiver.cli.letter import letter
from archiver.cli.output import print_json
from archiver.cli.shown import readable
from archiver.cli.wrapping import wrapped
from archiver.mail import ListedPart, ShownText, View
from archiver.model import Address, Mail

MAIL = Mail(digest="ab" * 32, header_digest="", size=2048, date=0, date_header="long ago")
TEXT = ShownText((1,), "hello\r\n", (), cut=False)
PART = ListedPart((1,), "text/plain", 7, None)


def lines(mail: Mail = MAIL, *texts: ShownText, view: View | None = None) -> list[str]:
    """The lines of a message."""
    return letter(mail, view or View(texts or (TEXT,), 0, (PART,), 0), ("work",))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("short", ["short"]),
        ("", [""]),
        ("one two three four five six", ["one two three four", "five six"]),
        ("  one two three four five six", ["  one two three four", "  five six"]),
        ("> one two three four five six seven", ["> one two three four five six seven"]),
        ("see http://example.org/" + "x" * 30, ["see", "http://example.org/" + "x" * 30]),
        ("漢" * 15, ["漢" * 10, "漢" * 5]),
        ("one two three four  five", ["one two three four", "five"]),
    ],
)
def test_wrapping(line: str, expected: list[str]) -> None:
    """Lines break at spaces and between wide characters; quotes and long words stay whole."""
    assert list(wrapped(line, 20)) == expected


@given(st.text(st.sampled_from("ab 漢é>")), st.integers(1, 60))
def test_wrapping_loses_nothing(line: str, width: int) -> None:
    """Whatever the line, only spaces go, and a line is wider than asked only for one word."""
    broken = list(wrapped(line, width))
    assert "".join(broken).replace(" ", "") == line.replace(" ", "")
    for one in broken:
        one_word = "漢" not in one and " " not in one.strip()
        assert cell_len(one) <= max(width, 20) or one_word or line.startswith(">")


@given(st.text())
def test_readable(text: str) -> None:
    """No character of a text moves a cursor, and what can be read stays."""
    shown = readable(text)
    assert all(c.isprintable() or c in "\u200c\u200d" for c in shown)
    assert [c for c in shown if c.isalnum()] == [c for c in text if c.isalnum()]


def test_readable_marks() -> None:
    """Odd spaces are spaces, marks without a width are gone, controls and overrides are seen."""
    assert readable("a\u00a0b\u2003c\u00add\ufeffe\u200ef") == "a b cdef"
    assert readable("a\x1b[mb\u202ec\x9bd\x85") == "a\ufffd[mb\ufffdc\ufffdd\ufffd"
    assert readable("a\tb") == "a       b"


def test_the_head() -> None:
    """Of the header stands what matters, and nothing where there is nothing."""
    mail = Mail(
        digest="ab" * 32,
        header_digest="",
        size=10,
        date_header="yesterday\x1b",
        authors=(Address("A\x1b", "a@x"), Address("", "b@x")),
        reply_to=(Address("", "r@x"),),
        to=tuple(Address("", f"{n}@x") for n in range(60)),
        defects=("unusable-date",),
    )
    shown = lines(mail)
    assert shown[:2] == ["From:     A\ufffd <a@x>, b@x", "Reply-To: r@x"]
    assert shown[2].endswith("49@x and 10 more")
    assert shown[3:9] == [
        "Date:     yesterday\ufffd (not understood)",
        "Subject:  (no subject)",
        "Account:  work",
        "Size:     10 B",
        f"Digest:   {'ab' * 32}",
        "Defects:  unusable-date",
    ]


def test_what_is_left_out_is_said() -> None:
    """Texts that are cut, and texts and parts that are not shown, are told of."""
    cut = ShownText((2,), "much", ("http://x/",), cut=True)
    shown = lines(view=View((TEXT, cut), 3, (PART, PART), 4))
    assert "(there is more of it: --part 2 has all)" in shown
    assert "[1] http://x/" in shown
    assert "(3 more texts are not shown: --part has each)" in shown
    assert shown[-1] == "  (4 more parts are not listed: --json lists them)"


def test_one_text_needs_no_list() -> None:
    """A message that is one text has no list of parts."""
    assert lines()[-2:] == ["", "hello"]


def test_json_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON says the same, with escapes for what a terminal would obey or its encoding lacks."""
    print_json({"text": "\x1b\x9b\u202e\ud800\U000e0001 é漢\n"})
    assert capsys.readouterr().out == (
        '{"text": "\\u001b\\u009b\\u202e\\ud800\\udb40\\udc01 é漢\\n"}\n'
    )
