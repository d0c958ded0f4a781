"""Mailboxes on the disk: what is delivered can be read back, and servers find it in order."""

import os
from pathlib import Path

import pytest

from infra.maildrops import Maildir, Mbox, crlf, ended, in_mbox

LETTERS = [
    b"a: b\n\nFrom me\n>From me\n>>From me\n From me\n",
    b"",
    b"a: b\r\n\r\nFrom me\r\n",
    b"\n\n\n",
]


@pytest.mark.parametrize("kind", [Mbox, Maildir])
def test_what_is_delivered_is_left(kind: type[Mbox] | type[Maildir], tmp_path: Path) -> None:
    """Messages come back in order of delivery, with their octets."""
    drop = kind(tmp_path / "box", os.getuid())
    assert drop.left() == []
    drop.add(LETTERS[:2])
    drop.add(LETTERS[2:])
    assert drop.left() == LETTERS


def test_an_mbox_ends_messages(tmp_path: Path) -> None:
    """A message without a final LF gets one in an mbox, and keeps its end in a maildir."""
    for kind, expected in ((Mbox, b"a: b\n\nx\n"), (Maildir, b"a: b\n\nx")):
        drop = kind(tmp_path / kind.__name__, os.getuid())
        drop.add([b"a: b\n\nx"])
        assert drop.left() == [expected]


def test_an_mbox_has_postmarks_quotes_and_empty_lines(tmp_path: Path) -> None:
    """The file is what an agent on Debian would write, and was last written to long ago."""
    file = tmp_path / "box"
    Mbox(file, os.getuid()).add([b"a: b\n\nFrom me\n>From you"])
    postmark, rest = file.read_bytes().split(b"\n", 1)
    assert postmark.startswith(b"From ")
    assert rest == b"a: b\n\n>From me\n>>From you\n\n"
    assert file.stat().st_mtime == 1_700_000_000


def test_changes_of_octets() -> None:
    """Each of the rules that ``served`` is made of says what it says."""
    assert crlf(b"a\nb\r\n\r") == b"a\r\nb\r\r\n\r"
    assert (ended(b""), ended(b"a"), ended(b"a\n")) == (b"", b"a\n", b"a\n")
    assert in_mbox(b"From\nFrom \nx From ") == b"From\n>From \nx From \n"
