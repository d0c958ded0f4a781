from pathlib import Path

import pytest

from infra.peers.comparison import Disagreement, compare, stale
from infra.peers.facts import Facts
from infra.peers.known import KNOWN, Known, explained
from infra.peers.readers import Reader, mail_parser, notmuch, ours, python_email

PLAIN = b"""From: "Lee, Ann" <ann@example.com>\r
To: bob@example.org, "Carl" <carl@example.net>\r
Subject: =?utf-8?q?M=C3=BCller?=\r
Date: Mon, 1 Jan 2001 00:00:00 +0000\r
Message-ID: <1@example.com>\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
\r
text\r
--b\r
Content-Type: application/pdf; name="a.pdf"\r
Content-Disposition: attachment; filename="a.pdf"\r
\r
octets\r
--b--\r
"""


@pytest.mark.parametrize("reader", [ours, python_email, mail_parser])
def test_readers(reader: Reader) -> None:
    """Each reader is asked for the same fields, written alike."""
    assert reader(PLAIN) == Facts(
        {
            "subject": "Müller",
            "from": ("Lee, Ann <ann@example.com>",),
            "to": ("<bob@example.org>", "Carl <carl@example.net>"),
            "cc": (),
            "date": 978_307_200,
            "attachments": ("a.pdf",),
        }
    )


def test_notmuch_is_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where notmuch is not installed, it is left out."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert notmuch({"plain": PLAIN}, tmp_path) == {}


def test_agreement() -> None:
    """Readers that read the same disagree in nothing; what one reads otherwise is found."""
    mine = ours(PLAIN)
    assert list(compare({"plain": PLAIN}, {"plain": mine})) == []
    other = Facts({**mine.values, "date": None})
    expected = Disagreement("plain", "notmuch", "date", 978_307_200, None, None)
    assert list(compare({"plain": PLAIN}, {"plain": other})) == [expected]


def test_what_is_known() -> None:
    """A disagreement is known by its peer, field and mail, and missed where it does not occur."""
    known = Known("python", "date", ("a/*",), "because")
    assert explained("python", "date", "a/1", [known]) is known
    for other in (("notmuch", "date", "a/1"), ("python", "to", "a/1"), ("python", "date", "b/1")):
        assert explained(*other, [known]) is None
    assert stale([], with_notmuch=True) == list(KNOWN)
    found = Disagreement("a", "python", "date", None, None, KNOWN[0])
    assert stale([found], with_notmuch=True) == list(KNOWN[1:])
    assert {one.peer for one in stale([], with_notmuch=False)} == {
        one.peer for one in KNOWN if one.peer != "notmuch"
    }
