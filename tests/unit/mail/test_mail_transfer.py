"""Transfer encodings: exact octets, however the input is cut."""

import base64
import binascii
import quopri
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.mail.transfer import decoder


def decode(encoding: str, octets: bytes, cuts: list[int] | None = None) -> tuple[bytes, set[str]]:
    """Feeds the octets in pieces cut at the given places."""
    defects: set[str] = set()
    used = decoder(encoding, defects)
    places = sorted({0, len(octets), *(cut % (len(octets) + 1) for cut in cuts or [])})
    pieces = [octets[a:b] for a, b in pairwise(places)]
    return b"".join([*map(used.feed, pieces), used.close()]), defects


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@given(st.binary(max_size=300), CUTS)
def test_base64_comes_back_whole(octets: bytes, cuts: list[int]) -> None:
    """Lines of base64 decode to what was encoded, without a defect."""
    encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    assert decode("base64", encoded, cuts) == (octets, set())


@given(st.binary(max_size=300), CUTS)
def test_quoted_printable_comes_back_whole(octets: bytes, cuts: list[int]) -> None:
    """What the standard library encodes as quoted-printable decodes to the same octets."""
    octets = octets.replace(b"\r", b"")
    encoded = quopri.encodestring(octets, quotetabs=True)
    assert decode("quoted-printable", encoded, cuts) == (octets, set())


@given(st.binary(max_size=300), CUTS)
def test_uuencode_comes_back_whole(octets: bytes, cuts: list[int]) -> None:
    """Lines of uuencode decode to what was encoded, without a defect."""
    lines = [binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45)]
    encoded = b"begin 644 name\n" + b"".join(lines) + b"`\nend\n"
    assert decode("x-uuencode", encoded, cuts) == (octets, set())


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "x-uuencode"])
@given(octets=st.lists(st.sampled_from(list(b"=4Aa! \t\r\nM#`"))).map(bytes), cuts=CUTS)
def test_broken_input_does_not_depend_on_cuts(
    encoding: str, octets: bytes, cuts: list[int]
) -> None:
    """Even input that breaks the rules decodes the same however it is cut."""
    if encoding == "x-uuencode":
        octets = b"begin 644 x\n" + octets
    assert decode(encoding, octets, cuts) == decode(encoding, octets)


@pytest.mark.parametrize(
    ("encoded", "decoded", "defects"),
    [
        (b"QUJD", b"ABC", set()),
        (b"QU\r\n JD", b"ABC", set()),
        (b"QU!J*D", b"ABC", {"base64-foreign-octets"}),
        (b"QUJDR", b"ABC", {"base64-truncated"}),
        (b"QUI", b"AB", {"base64-truncated"}),
        (b"QQ", b"A", {"base64-truncated"}),
        (b"QQ=", b"A", {"base64-truncated"}),
        (b"QQ==", b"A", set()),
        (b"Q===", b"", {"base64-truncated"}),
        (b"QQ==QUJD", b"A", {"base64-after-end"}),
        (b"QUJD=QUJD", b"ABC", {"base64-after-end"}),
        (b"", b"", set()),
    ],
)
def test_broken_base64(encoded: bytes, decoded: bytes, defects: set[str]) -> None:
    """Foreign octets go, the first = ends it, an odd last character is lost; each is a defect."""
    assert decode("base64", encoded) == (decoded, defects)


@pytest.mark.parametrize(
    ("encoded", "decoded", "defects"),
    [
        (b"a=3Db", b"a=b", set()),
        (b"a=3db", b"a=b", set()),
        (b"a=\r\nb", b"ab", set()),
        (b"a=  \r\nb", b"ab", set()),
        (b"a \t\r\nb  ", b"a\r\nb", set()),
        (b"a b", b"a b", set()),
        (b"a=", b"a", set()),
        (b"a=ZZ=41", b"a=ZZA", {"quoted-printable-malformed"}),
        (b"==41", b"=A", {"quoted-printable-malformed"}),
        (b"=\rx\n", b"=\rx\n", {"quoted-printable-malformed"}),
        (b"8-bit \xff", b"8-bit \xff", set()),
    ],
)
def test_broken_quoted_printable(encoded: bytes, decoded: bytes, defects: set[str]) -> None:
    """White space at a line's end goes, and an = that begins no escape stays."""
    assert decode("quoted-printable", encoded) == (decoded, defects)


@pytest.mark.parametrize("at", range(65_530, 65_545))
def test_a_line_without_end_is_cut_between_escapes(at: int) -> None:
    """A line longer than what is held back loses no escape at the place where it is cut."""
    encoded = b"x" * at + b"=41" * 3 + b"  y"
    assert decode("quoted-printable", encoded, [65_537, 65_540]) == (
        b"x" * at + b"AAA  y",
        set(),
    )


def test_uuencode_of_encoders_that_pad_too_much() -> None:
    """A line longer than its own count says is read as far as it says."""
    encoded = b"begin 644 x\n" + binascii.b2a_uu(b"abc").rstrip(b"\n") + b"!!x\nend\n"
    assert decode("uue", encoded) == (b"abc", set())


def test_uuencode_that_is_none() -> None:
    """Lines that are not of the encoding are left out, which is a defect."""
    assert decode("x-uue", b"hello") == (b"", {"uuencode-malformed"})
    assert decode("x-uue", b"begin 644 x\n" + b"M" * 1000 + b"\n\x00\x01\nend") == (
        b"",
        {"uuencode-malformed"},
    )


def test_unknown_encodings_leave_octets_alone() -> None:
    """An encoding that nobody knows is a defect; no encoding is none."""
    assert decode("x-secret", b"a=41") == (b"a=41", {"unknown-encoding"})
    assert decode("8bit", b"a=41") == (b"a=41", set())
    assert decode("", b"a=41") == (b"a=41", set())
