"""Names of folders as servers have them."""

import pytest

from archiver.imap.names import Hierarchy, hierarchy, quoted


@pytest.mark.parametrize(
    ("of", "folder", "name"),
    [
        (Hierarchy("/"), ("A", "b.c"), "A/b.c"),
        (Hierarchy("/"), ("A", "b/c"), "A/b_c"),
        (Hierarchy("."), ("A", "me@example.org"), "A.me@example_org"),
        (Hierarchy(".", "INBOX."), ("A", "b"), "INBOX.A.b"),
        (Hierarchy(".", "INBOX."), ("inbox",), "INBOX"),
        (Hierarchy(".", "INBOX."), ("INBOX", "b"), "INBOX.b"),
        (Hierarchy(""), ("A", "b"), "A_b"),
    ],
)
def test_name(of: Hierarchy, folder: tuple[str, ...], name: str) -> None:
    """The server's separator stands between names and never within one; the prefix before them."""
    assert of.name(folder) == name


def test_hierarchy() -> None:
    """What a server says of it may be octets, or nothing."""
    assert hierarchy("INBOX.", b".") == Hierarchy(".", "INBOX.")
    assert hierarchy("", None) == Hierarchy("", "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Entwürfe", b'"Entw&APw-rfe"'),
        ("台北/日本語", b'"&U,BTFw-/&ZeVnLIqe-"'),
        ("A & B", b'"A &- B"'),
        ('a"b\\c', b'"a\\"b\\\\c"'),
    ],
)
def test_quoted(name: str, said: bytes) -> None:
    """A name is in modified UTF-7 (RFC 3501 section 5.1.3, whose example is the second)."""
    assert quoted(name) == said
