"""File names out of mail become names that are harmless on every system."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.safe_names import NAME_OCTETS, safe_name, unnamed

NASTY = st.text(
    st.sampled_from('./\\ -~_conCON1$:*?"<>|\0\n\x1b\u202e\u00a0\ud800é漢') | st.characters(),
    max_size=300,
)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("Grüße an 東京.txt", "Grüße an 東京.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\letter.doc", "letter.doc"),
        ("/", "part"),
        ("..", "part"),
        ("...", "part"),
        ("", "part"),
        (None, "part"),
        (" . ", "part"),
        (".bashrc", "_bashrc"),
        ("-rf", "_rf"),
        ("~root", "_root"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("Com1 .txt", "_Com1 .txt"),
        ("console.log", "console.log"),
        ("a\0b\nc.txt", "a_b c.txt"),
        ("gpj.\u202eexe.scr", "gpj._exe.scr"),
        ('what? "this": <a|b>*', "what_ _this__ _a_b__"),
        ("name. . ", "name"),
        ("half\ud800", "half_"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_names(name: str | None, safe: str) -> None:
    """Each trick is taken out, and what names the file stays."""
    assert safe_name(name, "part") == safe


def test_long_names_keep_their_extension() -> None:
    """A name that is too long loses its middle, between two characters, not its extension."""
    safe = safe_name("漢" * 200 + ".docx", "part")
    assert safe.endswith("漢.docx")
    assert NAME_OCTETS - 3 <= len(safe.encode()) <= NAME_OCTETS
    assert len(safe_name("a." + "b" * 300, "part").encode()) == NAME_OCTETS


@given(NASTY)
def test_every_name_is_harmless(name: str) -> None:
    """Whatever comes in, one plain name comes out, that a file can have and that stays as it is."""
    safe = safe_name(name, "part")
    assert Path(safe).name == safe
    assert safe.isprintable()
    assert 0 < len(safe.encode()) <= NAME_OCTETS
    assert not safe.startswith((".", "-", "~", " "))
    assert not safe.endswith((".", " "))
    assert not set(safe) & set('/\\<>:"|?*')
    assert unicodedata.is_normalized("NFC", safe)
    assert safe_name(safe, "part") == safe


def test_unnamed() -> None:
    """A part without a name gets one that says its type, the same on every machine."""
    assert unnamed("part-2", "application/pdf") == "part-2.pdf"
    assert unnamed("part-3", "x/unheard-of") == "part-3.bin"
    assert unnamed("part-4", "message/rfc822") == "part-4.eml"
