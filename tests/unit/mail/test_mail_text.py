"""Character sets, encoded words and parameters: text out of octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.mail.charsets import decode, windows_1252
from archiver.mail.parameters import Parameters
from archiver.mail.words import decode_words, one_line


@pytest.mark.parametrize(
    ("octets", "charset", "text", "defects"),
    [
        (b"plain", None, "plain", set()),
        (b"plain", "x-unknown", "plain", {"unknown-charset"}),
        ("ö".encode(), None, "ö", {"unknown-charset"}),
        (b"\xf6\x80", None, "ö€", {"unknown-charset"}),
        (b"\xf6", "us-ascii", "ö", {"charset-mismatch"}),
        (b"\x93", "iso-8859-1", "“", set()),
        (b"\x81", "windows-1252", "\x81", set()),
        (b"\xa4", "iso-8859-15", "€", set()),
        ("ж".encode("koi8-r"), "KOI8-R", "ж", set()),
        ("語".encode("iso-2022-jp"), "iso-2022-jp", "語", set()),
        ("語".encode("gb18030"), "gb2312", "語", set()),
        (b"\xf6", "utf-8", "ö", {"charset-mismatch"}),
        ("ö".encode(), "shift_jis", "ﾃｶ", set()),
        (b"\xe2\x82\xac", "iso-2022-jp", "€", {"charset-mismatch"}),
        (b"\xff\x1b$B", "iso-2022-jp", "\ufffd", {"charset-mismatch"}),
        (b"+2AA-", "utf-7", "+2AA-", {"charset-mismatch"}),
        (b"x\xe9", "zlib", "xé", {"unknown-charset"}),
        (b"xn--a", "idna", "xn--a", {"unknown-charset"}),
        (b"\\ud800", "unicode_escape", "\\ud800", {"unknown-charset"}),
        (b"a", "a" * 1000, "a", {"unknown-charset"}),
    ],
)
def test_labels(octets: bytes, charset: str | None, text: str, defects: set[str]) -> None:
    """Octets are what their label says, else UTF-8, else windows-1252, and nothing raises."""
    found: set[str] = set()
    assert decode(octets, charset, found) == text
    assert found == defects


def test_windows_1252_is_total() -> None:
    """Each of the 256 octets is one character of its own."""
    assert len(set(windows_1252(bytes(range(256))))) == 256


@given(
    st.binary(max_size=40), st.sampled_from(["utf-7", "utf-16", "hz", "big5", "gb18030", "johab"])
)
def test_no_codec_gives_half_characters(octets: bytes, charset: str) -> None:
    """Whatever a codec does, the text can be written as UTF-8."""
    decode(octets, charset, set()).encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("=?utf-8?Q?=C3=B6?=", "ö"),
        ("=?utf-8?q?a_b?=", "a b"),
        ("=?UTF-8?B?w7Y=?=", "ö"),
        ("=?utf-8?B?w7Y?=", "ö"),
        ("=?utf-8?Q?=C3?= =?UTF-8?Q?=B6?=", "ö"),
        ("=?utf-8?B?w7?=", "Ã"),
        ("=?utf-8?Q?a?=   =?iso-8859-1?Q?=F6?=", "aö"),
        ("=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
        ("x=?utf-8?Q?a?=y", "xay"),
        ("=?utf-8?Q?How are you??=", "How are you?"),
        ("=?utf-8*en?Q?a?=", "a"),
        ("=?iso-2022-jp?B?GyRCOGwbKEI=?=", "語"),
        ("=?nonsense?Q?=F6?=", "ö"),
        ("=?utf-8?Q?never", "=?utf-8?Q?never"),
        ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
        ("=? =?utf-8?Q??=.", "=? ."),
    ],
)
def test_encoded_words(value: str, text: str) -> None:
    """Encoded words become what they say; neighbours join, and what is none stays."""
    assert decode_words(value, set()) == text


def test_control_characters_become_spaces() -> None:
    """No encoded line break can make two lines of a field."""
    assert one_line("a\r\nb\x00c\t") == "a  b c"


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b'attachment; filename="a b.pdf"', "a b.pdf"),
        (b"attachment; filename=a b.pdf; size=1", "a b.pdf"),
        (b'attachment; filename="a;b=c.pdf"', "a;b=c.pdf"),
        (b'attachment; FileName = "a\\"b\\\\c.pdf"', 'a"b\\c.pdf'),
        (b'attachment; filename="C:\\temp\\x.doc"', "C:\\temp\\x.doc"),
        (b'attachment; filename="open', "open"),
        (b'attachment; filename=""', None),
        (b"attachment; filename*=utf-8'de'%C3%B6.pdf", "ö.pdf"),
        (b"attachment; filename=o.pdf; filename*=utf-8''%C3%B6.pdf", "ö.pdf"),
        (b"attachment; filename*0*=utf-8''%C3; filename*1*=%B6; filename*2=.pdf", "ö.pdf"),
        (b'attachment; filename*1="b"; filename*0="a"', "ab"),
        (b"attachment; filename*0=a; filename*2=c", "a"),
        (b"attachment; filename*=%C3%B6", "ö"),
        (b"attachment; filename*=x-none''%F6", "ö"),
        (b'attachment; filename="=?utf-8?B?w7Y=?= =?utf-8?Q?.pdf?="', "ö.pdf"),
        (b'attachment; filename*0="=?utf-8?B?w7"; filename*1="Y=?="', "ö"),
        ('attachment; filename="ö"'.encode(), "ö"),
        (b'attachment; filename="\xf6"', "ö"),
        (b"attachment; filename=a; filename=b", "a"),
        (b"attachment; filename", None),
        (b"", None),
    ],
)
def test_file_names(field: bytes, name: str | None) -> None:
    """File names are read as RFC 2231, RFC 2047 or 8-bit text, quoted or not."""
    assert Parameters(field).text("filename", set()) == name


def test_long_file_names_are_cut() -> None:
    """A name has at most 1,000 characters."""
    defects: set[str] = set()
    name = Parameters(b"x; name=" + b"n" * 5000).text("name", defects)
    assert name == "n" * 1000
    assert defects == {"name-too-long"}


@pytest.mark.parametrize(
    ("field", "value", "charset"),
    [
        (b"Text/Plain; Charset=UTF-8", "text/plain", "utf-8"),
        (b"text/plain (words); charset=us-ascii (Plain text)", "text/plain", "us-ascii"),
        (b'text/plain;charset="utf-8";x', "text/plain", "utf-8"),
        (b"text/plain; charset='utf-8'", "text/plain", "utf-8"),
        (b"text/plain; charset*=us-ascii'en'koi8-r", "text/plain", "koi8-r"),
        (b"text/plain; charset=", "text/plain", None),
        (b"text/plain", "text/plain", None),
    ],
)
def test_values_and_tokens(field: bytes, value: str, charset: str | None) -> None:
    """The value and words of the protocol come in lower case, without comments."""
    parameters = Parameters(field)
    assert (parameters.value, parameters.token("charset")) == (value, charset)


def test_boundaries_keep_their_octets() -> None:
    """A boundary is compared as octets, so its octets are what is given."""
    assert Parameters(b'm/x; boundary="\xf6 A"').octets("boundary") == b"\xf6 A"
    assert Parameters(b"m/x; boundary*0=a; boundary*1=b").octets("boundary") == b"ab"
    assert Parameters(b"m/x; boundary*0=a; boundary*2=c").octets("boundary") == b"a"
    assert Parameters(b"m/x; boundary*x=a").octets("boundary") is None
    assert Parameters(b"m/x").octets("boundary") is None
