"""What is shown of a message: which texts, which parts, under which numbers, with which links."""

import hashlib
import io
import re
import sys

import pytest
from mail_samples import read

from archiver.mail import View, html_part, part_numbers, part_of, safe_html, view_mail
from archiver.mail import view as view_module
from archiver.mail.confined import confined
from archiver.mail.links import LINK_LIMIT, html_text_and_links

PLAIN = b"--%s\r\nContent-Type: text/plain\r\n\r\n%s\r\n"
HTML = b"--%s\r\nContent-Type: text/html\r\n\r\n%s\r\n"


def multipart(kind: bytes, boundary: bytes, *parts: bytes) -> bytes:
    """A message of parts that begin with their delimiters."""
    head = b"Content-Type: multipart/%s; boundary=%s\r\n\r\n" % (kind, boundary)
    return head + b"".join(parts) + b"--%s--\r\n" % boundary


def seen(octets: bytes) -> View:
    """What is shown of a message."""
    return view_mail(io.BytesIO(octets), read(octets))


def texts(octets: bytes) -> list[tuple[int, str]]:
    """The texts that are shown, with their numbers."""
    return [(text.number[0], text.text) for text in seen(octets).texts]


def part(octets: bytes, *number: int) -> bytes | None:
    """The octets of a part."""
    with part_of(io.BytesIO(octets), len(octets), number) as found:
        return None if found is None else b"".join(found.octets())


def test_of_alternatives_the_plain_one_is_shown() -> None:
    """The HTML that says the same is only listed, also deeper within the alternative."""
    both = (PLAIN % (b"a", b"plain"), HTML % (b"a", b"<p>rich"))
    assert texts(multipart(b"alternative", b"a", *both)) == [(1, "plain")]
    related = b"--o\r\n" + multipart(b"related", b"r", HTML % (b"r", b"<p>rich"))
    assert texts(multipart(b"alternative", b"o", PLAIN % (b"o", b"plain"), related)) == [
        (1, "plain")
    ]


def test_an_empty_plain_text_gives_way() -> None:
    """An alternative whose plain text says nothing is shown as HTML."""
    both = (PLAIN % (b"a", b" \r\n"), HTML % (b"a", b"<p>rich"))
    assert texts(multipart(b"alternative", b"a", *both)) == [(2, "rich")]
    alone = PLAIN % (b"a", b" \r\n")
    assert [number for number, _ in texts(multipart(b"alternative", b"a", alone))] == [1]


def test_every_text_that_is_not_attached_is_shown() -> None:
    """What mailing lists append to HTML is shown beside it, what is attached is not."""
    attached = (
        b"--m\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nnotes\r\n"
    )
    mail = multipart(b"mixed", b"m", HTML % (b"m", b"<p>rich"), attached, PLAIN % (b"m", b"footer"))
    assert texts(mail) == [(1, "rich"), (3, "footer")]


def test_parts_within_messages() -> None:
    """Each part has its number, its size and its octets, those of a message within as well."""
    inner = multipart(b"mixed", b"i", PLAIN % (b"i", b"in"), HTML % (b"i", b"<p>side"))
    message = b"--o\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n"
    mail = multipart(b"mixed", b"o", PLAIN % (b"o", b"out"), message, PLAIN % (b"o", b"end"))
    listed = seen(mail).parts
    assert [one.number for one in listed] == [(1,), (2,), (2, 1), (2, 2), (3,)]
    for one in listed:
        assert len(part(mail, *one.number) or b"") == one.size
    assert part(mail, 2) == inner
    assert (part(mail, 2, 1), part(mail, 2, 2)) == (b"in", b"<p>side")
    for number in ((0,), (4,), (1, 1), (2, 3), (2, 1, 1)):
        assert part(mail, *number) is None


def test_encoded_messages_within() -> None:
    """A message that is encoded, against the rule, is listed and opened as any other."""
    mail = (
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"U3ViamVjdDogeA0KDQppbg==\r\n"
    )
    assert [(one.number, one.size) for one in seen(mail).parts] == [((1,), 16), ((1, 1), 2)]
    assert part(mail, 1, 1) == b"in"


def test_nesting_is_bounded() -> None:
    """Messages in messages are listed ten deep, however deep they go."""
    head = b"Content-Type: message/rfc822\r\n\r\n"
    listed = seen(head * 5000 + b"end").parts
    assert listed[-1].number == (1,) * 10
    assert len(listed) == 10


def test_numbers_of_a_record() -> None:
    """The parts of a record have the numbers that the list gives them."""
    mail = multipart(b"mixed", b"m", *(PLAIN % (b"m", b"%d" % n) for n in range(4)))
    record = read(mail)
    numbers = part_numbers(io.BytesIO(mail), record)
    assert numbers == [(2,), (3,), (4,)]
    for number, one in zip(numbers, record.parts, strict=True):
        assert hashlib.sha256(part(mail, *number) or b"").hexdigest() == one.digest


def test_what_is_shown_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts, characters and parts beyond the limits are counted and not shown."""
    mail = multipart(b"mixed", b"m", *(PLAIN % (b"m", b"text") for _ in range(300)))
    shown = seen(mail)
    assert (len(shown.texts), shown.unshown) == (50, 250)
    assert (len(shown.parts), shown.unlisted) == (100, 200)
    monkeypatch.setattr(view_module, "TEXT_LIMIT", 6)
    shown = seen(mail)
    assert [(text.text, text.cut) for text in shown.texts] == [("text", False), ("te", True)]
    assert shown.unshown == 298


def test_links_are_numbered() -> None:
    """Each link has a number, again the same where it is met again, and entities are read."""
    text, links = html_text_and_links(
        "<P>A <A CLASS=x HREF='http://a.example/?b&amp;c'>link</A>, <a href=mailto:m@x>mail</a>,"
        ' <a\nhref="http://a.example/?b&amp;c"><b>bold</b></a>, <a name=x>none</a>,'
        " <abbr href=http://no>no</abbr>, <a href=http://b.example>open",
        set(),
    )
    assert text == "A link [1], mail [2], bold [1], none, no, open"
    assert links == ("http://a.example/?b&c", "mailto:m@x", "http://b.example")


@pytest.mark.parametrize(
    "url",
    ["javascript:x()", "#top", "cid:picture", "data:text/html,x", "/relative", "", "vbscript:x"],
)
def test_what_is_no_link(url: str) -> None:
    """What nobody could follow, or should, has no number."""
    assert html_text_and_links(f'<a href="{url}">text</a>', set()) == ("text", ())


def test_links_are_bounded() -> None:
    """Links beyond the limit are not told, and long ones are cut; none can move a cursor."""
    many = "".join(f"<a href=http://x/{n}>y</a> " for n in range(LINK_LIMIT + 5))
    defects: set[str] = set()
    text, links = html_text_and_links(many, defects)
    assert len(links) == LINK_LIMIT
    assert "too-many-links" in defects
    assert text.endswith("y y y y y")
    _, (long,) = html_text_and_links(f"<a href='http://x/{'y' * 9000}&#27;[2J'>z</a>", set())
    assert long.endswith("yyy…")
    assert len(long) == 2001
    _, (odd,) = html_text_and_links("<a href='http://x/&#27;[2J&#99999999999;'>z</a>", set())
    assert odd.startswith("http://x/[2J")


def test_the_html_of_a_message() -> None:
    """HTML that is not attached comes before that which is; a message without any has none."""
    attached = b"--m\r\nContent-Type: text/html\r\nContent-Disposition: attachment\r\n\r\nA\r\n"
    for order in ((attached, HTML % (b"m", b"B")), (HTML % (b"m", b"B"), attached)):
        mail = multipart(b"mixed", b"m", *order)
        found = html_part(io.BytesIO(mail), len(mail))
        assert found is not None
        assert b"".join(found.octets()) == b"B"
    assert html_part(io.BytesIO(b"\r\nx"), 3) is None


def test_confined_html() -> None:
    """The policy stands before the sender's first word, and no element leads elsewhere."""
    sent = "<META http-equiv=refresh><link rel=x><<metameta ><base/href=x><p>Gr\xfc\xdfe"
    document = confined(sent)
    ours, theirs = document.split("\n", 1)
    assert ours.startswith("<!DOCTYPE html><meta charset=")
    assert "default-src 'none'" in ours
    assert not re.search("<(meta|link|base)", theirs, re.IGNORECASE)
    assert theirs.endswith("<p>Gr\xfc\xdfe")
    mail = b"Content-Type: text/html; charset=latin-1\r\n\r\n<p>\xfc"
    found = html_part(io.BytesIO(mail), len(mail))
    assert found is not None
    octets, cut = safe_html(found)
    assert (octets.endswith("<p>\xfc".encode()), cut) == (True, False)


def test_no_recursion() -> None:
    """What a sender nests, as deep as it may be, meets no limit of the interpreter's."""
    deep = "<div><a href=http://x/>" * (sys.getrecursionlimit() * 5)
    text, links = html_text_and_links(deep + "end", set())
    assert text.endswith("end")
    assert links == ("http://x/",)
