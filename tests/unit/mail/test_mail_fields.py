"""Header fields: addresses, identifiers, dates and the lines that they stand in."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_samples import NOW, read

from archiver.mail.addresses import read_addresses
from archiver.mail.dates import lenient_date, plausible
from archiver.mail.fields import Fields
from archiver.mail.identifiers import bracketed, every_bracketed
from archiver.mail.skeleton import read_skeleton


def pairs(*fields: bytes) -> list[tuple[str, str]]:
    """Names and addresses of an address field."""
    return [(found.name, found.address) for found in read_addresses(fields, set())]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"a@b", [("", "a@b")]),
        (b"<a@b>", [("", "a@b")]),
        (b"A B <a@b>, c@d", [("A B", "a@b"), ("", "c@d")]),
        (b'"B, A" <a@b>', [("B, A", "a@b")]),
        (b'"a \\"b\\" c" <a@b>', [('a "b" c', "a@b")]),
        (b"a@b (A (deep) B)", [("A deep B", "a@b")]),
        (b"(before) a@b", [("before", "a@b")]),
        (b"Friends: A <a@b>, c@d; , e@f", [("A", "a@b"), ("", "c@d"), ("", "e@f")]),
        (b"undisclosed-recipients:;", []),
        (b"root", [("", "root")]),
        (b"Just A Name", [("Just A Name", "")]),
        (b'"Only Quoted"', [("Only Quoted", "")]),
        (b'"Quoted"', [("", "Quoted")]),
        (b"<@x,@y:a@b>", [("", "a@b")]),
        (b"<a @ b . c>", [("", "a@b.c")]),
        (b"a @ b . c", [("", "a@b.c")]),
        (b"A B a@b", [("A B", "a@b")]),
        (b"a@b A B", [("", "a@b")]),
        (b"<a@b", [("", "a@b")]),
        (b"a@b <a@b>", [("", "a@b")]),
        (b"=?utf-8?Q?=C3=B6?= <a@b>", [("ö", "a@b")]),
        (b'"=?utf-8?Q?=C3=B6?=" <a@b>', [("ö", "a@b")]),
        (b"=?utf-8?Q?=C3?= =?utf-8?Q?=B6?= <a@b>", [("ö", "a@b")]),
        (b"=?utf-8?Q?a=2Cb?= <a@b>", [("a,b", "a@b")]),
        ("ö <a@b>".encode(), [("ö", "a@b")]),
        (b"\xf6 <a@b>", [("ö", "a@b")]),
        (b"a@xn--bcher-kva.example", [("", "a@xn--bcher-kva.example")]),
        (b"a@[IPv6:::1]", [("", "a@[IPv6:::1]")]),
        (b'"a b"@c', [("", '"a b"@c')]),
        (b'"a b"@c, "D" e@f', [("", '"a b"@c'), ("D", "e@f")]),
        (b'<"a b"@c>', [("", '"a b"@c')]),
        (b",,;,", []),
        (b"", []),
        (b"<>", []),
    ],
)
def test_address_lists(field: bytes, expected: list[tuple[str, str]]) -> None:
    """Groups, comments, quotes, routes and broken brackets give their names and addresses."""
    assert pairs(field) == expected


def test_all_occurrences_count() -> None:
    """Repeated address fields are one list."""
    assert pairs(b"a@b", b"c@d") == [("", "a@b"), ("", "c@d")]
    mail = read(b"To: a@b\r\nTo: C <c@d>\r\nCc: e@f\r\nCC : g@h\r\n\r\n")
    assert [a.address for a in mail.to] == ["a@b", "c@d"]
    assert [a.address for a in mail.cc] == ["e@f", "g@h"]


NAMES = st.text(st.sampled_from("abc XYZ'-"), max_size=12).map(lambda name: " ".join(name.split()))


@given(
    st.lists(
        st.tuples(NAMES, st.from_regex(r"[a-z]{1,9}@[a-z]{1,9}\.org", fullmatch=True)), min_size=1
    )
)
def test_both_readers_agree(people: list[tuple[str, str]]) -> None:
    """mail-parser and our own reader give the same mailboxes for a well-formed list."""
    text = ", ".join(f'"{name}" <{address}>' if name else address for name, address in people)
    fields = Fields({"to": [text.encode()]})
    reading = read_skeleton(fields, None, None, set())
    ours = read_addresses(fields.values["to"], set())
    assert [(a.name, a.address) for a in ours] == people
    if len(text) <= 4096:
        assert reading.addresses["to"] == ours


@pytest.mark.parametrize(
    ("field", "first", "every"),
    [
        (b"<a@b>", "a@b", ("a@b",)),
        (b"  <a b@c>\t<d@e> <a b@c>", "a b@c", ("a b@c", "d@e")),
        (b"Your message <a@b> of x@y", "a@b", ("a@b",)),
        (b"a@b", "a@b", ("a@b",)),
        (b"Mail from x@y of Monday", "Mail from x@y of Monday", ()),
        (b"<>", None, ()),
        (b"", None, ()),
        (b"\xff<\xf6@b>", "ö@b", ("ö@b",)),
        (None, None, ()),
    ],
)
def test_identifiers(field: bytes | None, first: str | None, every: tuple[str, ...]) -> None:
    """What stands between brackets is the identifier, unchanged and without them."""
    assert bracketed(field) == first
    assert every_bracketed(field) == every


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Mon, 1 Jan 2001 00:00:00 +0000", 978307200),
        ("Mon, 1 Jan 2001 01:00:00 +0100 (CET)", 978307200),
        ("1 Jan 01 00:00 GMT", 978307200),
        ("Mon, 01 Jan 2001 00:00:00", 978307200),
        ("Fri, 1 Jan 2001 00:00:00 +0000", 978307200),
        ("Mon, 1 Jan 2001 02:30:00 PM EST", 978377400),
        ("Mon, 1 Jan 2001 12:00:00 AM +0000", 978307200),
        ("Mon, 1 Jan 2001 12:00 p.m. +0000", 978350400),
        ("Mon, 1 Jan 2001 14:30:00 PM +0000", 978359400),
        ("2001-01-01 00:00:00", None),
        ("Mon, 31 Feb 2001 00:00:00 +0000", None),
        ("Wed, 31 Dec 1969 23:59:59 +0000", None),
        ("Mon, 1 Jan 2040 00:00:00 +0000", None),
        ("Mon, 1 Jan 99999999999 00:00:00 +0000", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(date: str, seconds: int | None) -> None:
    """A date between 1970 and a year ahead is in seconds; any other is null and a defect."""
    mail = read(f"Date: {date}\r\n\r\n".encode())
    assert mail.date == seconds
    assert mail.date_header == date
    assert ("unusable-date" in mail.defects) == (seconds is None)


def test_dates_are_judged_by_the_given_time() -> None:
    """The same message has the same date whenever it is read, if the time is given."""
    assert plausible(datetime.fromtimestamp(NOW + 365 * 86400, UTC), NOW) is not None
    assert plausible(datetime.fromtimestamp(NOW + 367 * 86400, UTC), NOW) is None
    assert plausible(datetime(9999, 12, 31, tzinfo=timezone(-timedelta(hours=12))), NOW) is None
    assert lenient_date("Mon, 1 Jan 2001 99:00:00 +0000") is None


def test_messages_without_date() -> None:
    """No Date field is no defect."""
    mail = read(b"Subject: x\r\n\r\n")
    assert (mail.date, mail.date_header, mail.defects) == (None, None, ())


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"Subject: a\r\n b\r\n\tc\r\n", "a b c"),
        (b"Subject:a\r\nSubject: b\r\n", "a"),
        (b"SUBJECT : a\r\n", "a"),
        (b"Subject: a\n", "a"),
        ("Subject: ö\r\n".encode(), "ö"),
        (b"Subject: \xf6\r\n", "ö"),
        (b"Subject: =?utf-8?Q?=C3=B6?=\r\n =?utf-8?Q?=C3=A4?=\r\n", "öä"),
        (b"Subject: =?utf-8?Q?a=0D=0Ab?=\r\n", "a  b"),
        (b"Subject: a\0b\r\n", "a b"),
        (b"Subject: a\rb\r\n", "a b"),
        (b"From x Mon Jan  1 00:00:00 2001\r\nSubject: a\r\n", "a"),
        (b"X: y\r\nthis is no field\r\nSubject: a\r\n", "a"),
        (b"Subject:\r\n", ""),
        (b"Subject: " + b"a" * 70_000 + b"\r\n", "a" * 65_535),
        (b"", ""),
    ],
)
def test_subjects(header: bytes, subject: str) -> None:
    """The first Subject counts, unfolded and decoded, whatever stands around it."""
    assert read(header + b"\r\nbody").subject == subject


def test_list_id() -> None:
    """A list's identifier is what stands in its brackets (RFC 2919)."""
    assert read(b"List-Id: A list <a.example.org>\r\n\r\n").list_id == "a.example.org"


def test_a_message_without_header_is_all_body() -> None:
    """Text that begins at once is the body."""
    mail = read(b"hello\r\nworld")
    assert (mail.text, mail.defects) == ("hello\nworld", ("header-without-end",))


def test_headers_are_bounded() -> None:
    """Of a header at most 1 MiB is kept, which is a defect."""
    line = b"To: a@b," + b" " * 60_000 + b"c@d\r\n"
    mail = read(line * 20 + b"Subject: gone\r\n\r\n")
    assert len(mail.to) == 2 * 17
    assert mail.defects == ("header-too-long",)


def test_addresses_are_bounded() -> None:
    """Of the addresses of one field at most 10,000 are listed, which is a defect."""
    mail = read(b"To: " + b"a@b," * 6_000 + b"\r\nTo: " + b"c@d," * 6_000 + b"\r\n\r\n")
    assert len(mail.to) == 10_000
    assert mail.defects == ("too-many-addresses",)
