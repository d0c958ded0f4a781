"""Where parts begin and end, octet for octet."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mail_samples import multipart, nested, read, read_with_parts

from archiver.mail import octets as octets_module
from archiver.mail.structure import read_structure

HEAD = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
BIN = b"Content-Type: a/b\r\n"


def leaves(message: bytes) -> list[tuple[str, bytes]]:
    """Type and encoded octets of each leaf."""
    structure = read_structure(io.BytesIO(message), len(message))
    return [(leaf.entity.type, message[leaf.start : leaf.end]) for leaf in structure.leaves]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_the_line_end_before_a_delimiter_is_no_content(end: bytes) -> None:
    """A part ends before the line end that belongs to the delimiter, whatever line ends are."""
    message = (HEAD + BIN + b"\r\n1\r\n--b\r\n\r\n\r\n--b--\r\n").replace(HEAD, HEAD + b"--b\r\n")
    assert leaves(message.replace(b"\r\n", end)) == [("a/b", b"1"), ("text/plain", b"")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\r\n1\r\n\r\n", b"1\r\n\r\n"),
        (b"\r\n\r\n1", b"\r\n1"),
        (b"\r\n1\r", b"1\r"),
        (b"\r\n1\n", b"1\n"),
        (b"\r\n--c\r\n--bb\r\n --b", b"--c\r\n--bb\r\n --b"),
        (b"\r\n-", b"-"),
        (b"\r\n--", b"--"),
        (b"\r\n\0\xff", b"\0\xff"),
        (b"\r\n", b""),
        (b"", b""),
    ],
)
def test_content_is_the_exact_slice(body: bytes, expected: bytes) -> None:
    """Every octet between the header and the delimiter's line end is content, and no other."""
    assert leaves(multipart(BIN + body, BIN + b"\r\nz"))[0] == ("a/b", expected)


@pytest.mark.parametrize("closing", [b"--b--", b"--b-- \t", b"--b--\r\nepilogue\r\n--b\r\n\r\nno"])
def test_what_follows_the_end_is_no_part(closing: bytes) -> None:
    """The preamble and the epilogue are no parts, and white space may follow a delimiter."""
    message = HEAD + b"preamble\r\n--b  \r\n" + BIN + b"\r\n1\r\n" + closing
    assert leaves(message) == [("a/b", b"1")]


def test_boundaries_that_begin_alike() -> None:
    """A boundary that begins like another one is not mistaken for it."""
    inner = multipart(BIN + b"\r\n1", BIN + b"\r\n2", boundary=b"bb")
    found = leaves(multipart(inner, BIN + b"\r\n3"))
    assert [content for _, content in found] == [b"1", b"2", b"3"]
    inner = multipart(BIN + b"\r\n1", boundary=b"b")
    found = leaves(multipart(inner, BIN + b"\r\n3", boundary=b"bb"))
    assert [content for _, content in found] == [b"1", b"3"]


def test_an_outer_delimiter_ends_inner_multiparts() -> None:
    """A multipart that was never closed ends with the one around it."""
    inner = b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n" + BIN + b"\r\n1"
    message = multipart(inner, BIN + b"\r\n2")
    assert leaves(message) == [("a/b", b"1"), ("a/b", b"2")]
    assert "unterminated-multipart" in read(message).defects


def test_the_same_boundary_twice() -> None:
    """The innermost of two multiparts with one boundary has its delimiters first."""
    message = multipart(multipart(BIN + b"\r\n1"), BIN + b"\r\n2")
    assert leaves(message) == [("a/b", b"1"), ("a/b", b"2")]


@pytest.mark.parametrize(
    ("message", "content", "defect"),
    [
        (b"Content-Type: multipart/mixed\r\n\r\nhello", b"hello", "multipart-without-boundary"),
        (HEAD + b"hello", b"hello", "multipart-without-parts"),
        (HEAD + b"hello\r\n--b--", b"hello", "multipart-without-parts"),
        (b"Content-Type: nonsense\r\n\r\nhello", b"hello", "malformed-content-type"),
        (
            b"Content-Type: multipart/x; boundary=" + b"b" * 2000 + b"\r\n\r\nhello",
            b"hello",
            "multipart-without-boundary",
        ),
    ],
)
def test_what_cannot_be_taken_apart_is_text(message: bytes, content: bytes, defect: str) -> None:
    """A multipart without boundary or parts is read as plain text (RFC 2045 section 5.2)."""
    assert leaves(message) == [("text/plain", content)]
    assert defect in read(message).defects


def test_a_delimiter_ends_a_header() -> None:
    """A part whose header has no empty line is empty."""
    message = HEAD + b"--b\r\nContent-Type: a/b\r\n--b\r\n" + BIN + b"\r\n2\r\n--b--"
    assert leaves(message) == [("a/b", b""), ("a/b", b"2")]
    assert "header-without-end" in read(message).defects


def test_a_part_without_header() -> None:
    """A part that begins with its text is all text."""
    assert leaves(HEAD + b"--b\r\nhello\r\n--b--") == [("text/plain", b"hello")]


def test_digests_hold_messages() -> None:
    """Within multipart/digest a part is a message unless it says otherwise."""
    message = (
        b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\ny\r\n--b--"
    )
    assert leaves(message) == [("message/rfc822", b"Subject: x\r\n\r\ny")]


def test_embedded_messages_are_exact_and_whole() -> None:
    """A message/rfc822 is one part, and the leaves within belong to it."""
    inner = multipart(b"\r\nhello", b"Content-Type: a/b; name=x\r\n\r\n1", boundary=b"inner")
    head = b"Content-Type: message/rfc822\r\n"
    mail, parts = read_with_parts(multipart(b"\r\ntext", head + b"\r\n" + inner))
    assert (mail.text, parts) == ("text", [inner])
    encoded = head + b"Content-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQp5"
    mail, parts = read_with_parts(multipart(encoded))
    assert parts == [b"Subject: x\r\n\r\ny"]
    assert mail.defects == ("encoded-message",)


def test_nesting_up_to_the_limit() -> None:
    """A hundred multiparts in one another are taken apart."""
    assert leaves(nested(100)) == [("text/plain", b"inside")]


def test_parts_say_what_their_headers_say() -> None:
    """Type, name, disposition and identifier of a part come from its own header."""
    part = (
        b'Content-Type: Image/PNG; name="no.png"\r\nContent-ID: <i@x>\r\n'
        b'Content-Disposition: INLINE; filename="yes.png"\r\n\r\n\x89PNG'
    )
    (found,) = read(multipart(part)).parts
    assert (found.type, found.name, found.disposition) == ("image/png", "yes.png", "inline")
    assert (found.content_id, found.size) == ("i@x", 4)


@given(
    pieces=st.lists(
        st.sampled_from(
            [b"--b\r\n", b"--b--\r\n", b"--c\n", b"\r\n", b"\n", b"\r", b"-", b"--", b"x"]
        )
        | st.just(b"Content-Type: multipart/mixed; boundary=c\r\n\r\n"),
        max_size=30,
    ),
    chunk=st.integers(1, 9),
)
@settings(max_examples=150, deadline=None)
def test_structure_does_not_depend_on_chunks(pieces: list[bytes], chunk: int) -> None:
    """However small the pieces in which a message is read, its leaves are the same."""
    message = HEAD + b"".join(pieces)
    whole = leaves(message)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(octets_module, "CHUNK", chunk)
        assert leaves(message) == whole


def test_streams_that_end_early() -> None:
    """A stream shorter than it was said to be is read as far as it goes."""
    message = multipart(BIN + b"\r\n123")[:-10]
    structure = read_structure(io.BytesIO(message), len(message) + 100)
    assert len(structure.leaves) == 1
