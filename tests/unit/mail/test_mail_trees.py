"""Random MIME trees come back part for part, octet for octet."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from mail_samples import read_with_parts


@dataclass(frozen=True)
class Leaf:
    """Content in a transfer encoding; text with a character set, or octets without one."""

    encoding: str
    content: bytes
    charset: str | None = None


@dataclass(frozen=True)
class Multipart:
    """Entities within another, and what stands around them."""

    children: list["Leaf | Multipart"] = field(default_factory=list)
    around: bytes = b""


def encoded(leaf: Leaf) -> bytes:
    """The content as it stands in a message."""
    content = leaf.content
    if leaf.encoding == "base64":
        return base64.encodebytes(content).replace(b"\n", b"\r\n")
    if leaf.encoding == "quoted-printable":
        escapes = [chr(o) if chr(o).isalnum() and o < 128 else f"={o:02X}" for o in content]
        lines = ["".join(escapes[at : at + 24]) for at in range(0, len(escapes), 24)]
        return "=\r\n".join(lines).encode()
    if leaf.encoding == "x-uuencode":
        uu_lines = [binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45)]
        return b"begin 644 x\r\n" + b"".join(uu_lines).replace(b"\n", b"\r\n") + b"`\r\nend"
    return content


def written(tree: Leaf | Multipart, boundaries: Iterator[int]) -> bytes:
    """A tree as a message; each boundary is the beginning of all that are within it."""
    if isinstance(tree, Leaf):
        kind = f"text/plain; charset={tree.charset}" if tree.charset else "application/x-octets"
        fields = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {tree.encoding}\r\n\r\n"
        return fields.encode() + encoded(tree)
    boundary = b"=" + b"x" * next(boundaries)
    head = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n' + tree.around
    entities = [b"\r\n--" + boundary + b"\r\n" + written(c, boundaries) for c in tree.children]
    return head + b"".join(entities) + b"\r\n--" + boundary + b"--\r\n" + tree.around


def leaves(tree: Leaf | Multipart) -> list[Leaf]:
    """The leaves of a tree in their order."""
    if isinstance(tree, Leaf):
        return [tree]
    return [leaf for child in tree.children for leaf in leaves(child)]


OCTETS = st.lists(
    st.sampled_from([b"\r\n", b"\n", b"\r", b"--", b"--=", b"=", b"\0", b" ", b"\r\n\r\n"])
    | st.binary(max_size=60),
    max_size=8,
).map(b"".join)
BINARY = st.builds(
    Leaf,
    st.sampled_from(["7bit", "8bit", "binary", "base64", "quoted-printable", "x-uuencode"]),
    OCTETS,
)
CHARSETS = {
    "utf-8": "aö語 \n.",
    "us-ascii": "ab \n.",
    "koi8-r": "aжЯ \n.",
    "iso-2022-jp": "a語 \n.",
    "windows-1252": "aö€ \n.",
}
TEXT = st.sampled_from(sorted(CHARSETS)).flatmap(
    lambda charset: st.builds(
        Leaf,
        st.sampled_from(["8bit", "base64", "quoted-printable"]),
        st.text(st.sampled_from(CHARSETS[charset]), max_size=80).map(lambda t: t.encode(charset)),
        st.just(charset),
    )
)
TREES = st.recursive(
    BINARY | TEXT,
    lambda inner: st.builds(
        Multipart,
        st.lists(inner, min_size=1, max_size=4),
        st.sampled_from([b"", b"around\r\n", b"--\r\n--=\r\n"]),
    ),
    max_leaves=12,
)


@given(TREES)
@settings(max_examples=200, deadline=None)
def test_trees_come_back(tree: Leaf | Multipart) -> None:
    """Every leaf but the text is a part with exactly its octets, and the text says what it said."""
    expected = leaves(tree)
    text = next((leaf for leaf in expected if leaf.charset), None)
    mail, parts = read_with_parts(b"Subject: tree\r\n" + written(tree, count(1)))
    assert parts == [leaf.content for leaf in expected if leaf is not text]
    assert mail.text == (text.content.decode(text.charset or "") if text else "")
    assert mail.subject == "tree"
    assert not mail.defects
