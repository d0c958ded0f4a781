"""What a whole message says: its text, its parts, its record."""

import io
import json
import subprocess
import sys

import pytest
from mail_samples import NOW, html, multipart, read, read_with_parts

import archiver.mail.skeleton as skeleton_module
from archiver.mail import body as body_module
from archiver.mail import mail_json, read_header, skeleton
from archiver.model import Mail

PLAIN = b"Content-Type: text/plain\r\n\r\nplain"
HTML = b"Content-Type: text/html\r\n\r\n<p>rich</p>"
ATTACHED = b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nattached"


@pytest.mark.parametrize(
    ("entities", "text", "types"),
    [
        ([PLAIN, HTML], "plain", ["text/html"]),
        ([HTML, PLAIN], "plain", ["text/html"]),
        ([HTML], "rich", []),
        ([ATTACHED, HTML], "rich", ["text/plain"]),
        ([ATTACHED], "", ["text/plain"]),
        ([PLAIN, PLAIN], "plain", ["text/plain"]),
        ([b"Content-Type: a/b\r\n\r\n"], "", ["a/b"]),
        ([b"Content-Disposition: x-new\r\n\r\nsaved", PLAIN], "plain", ["text/plain"]),
        (
            [b"Content-Disposition: attachment\r\n" + multipart(PLAIN, boundary=b"c"), HTML],
            "rich",
            ["text/plain"],
        ),
    ],
)
def test_which_leaf_is_the_text(entities: list[bytes], text: str, types: list[str]) -> None:
    """The first plain text that is not attached is the text, else the first such HTML."""
    mail = read(multipart(*entities))
    assert mail.text == text
    assert [part.type for part in mail.parts] == types


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        (b"a\r\nb\r\n", "us-ascii", "a\nb\n"),
        ("ö\r\n".encode(), "utf-8", "ö\n"),
        ("o\u0308".encode(), "utf-8", "o\u0308"),
        ("語".encode("iso-2022-jp"), "iso-2022-jp", "語"),
        (b"\xf6", "nonsense", "ö"),
        (b"\xf6", "utf-8", "ö"),
    ],
)
def test_text_is_what_was_written(octets: bytes, charset: str, text: str) -> None:
    """Text is decoded by its label and otherwise as it is, with LF at the ends of its lines."""
    message = b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\n\r\n" + octets
    assert read(message).text == text


def test_long_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its limit text is left out, which is a defect."""
    monkeypatch.setattr(body_module, "TEXT_LIMIT", 4)
    mail = read(b"Subject: x\r\n\r\nabcdef")
    assert (mail.text, mail.defects) == ("abcd", ("text-cut",))


def test_text_that_mail_parser_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long text is read by us, the same."""
    message = b"Subject: x\r\n\r\n" + b"line\r\n" * 100
    seen = read(message)
    monkeypatch.setattr(skeleton_module, "BODY_LIMIT", 10)
    assert read(message) == seen


def test_a_failure_of_mail_parser_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """When mail-parser fails, every field is read from the octets, and the defect is named."""
    message = (
        b"Subject: s\r\nFrom: A <a@b>\r\nDate: Mon, 1 Jan 2001 00:00:00 +0000\r\n"
        b"Reply-To: r@b\r\n\r\ntext\r\n"
    )

    def fail(octets: bytes) -> None:
        raise AttributeError("no such field")

    sound = read(message)
    monkeypatch.setattr(skeleton, "_mail_parser", lambda: fail)
    failed = read(message)
    assert failed.defects == ("mail-parser-failed",)
    assert mail_json(failed) == {**mail_json(sound), "defects": ["mail-parser-failed"]}


def test_header_only() -> None:
    """A message that cannot be read whole still has its header fields, and the defect says so."""
    message = b"Subject: =?utf-8?Q?=C3=B6?=\r\nFrom: a@b\r\nContent-Type: a/b\r\n\r\nbody"
    mail = read_header(
        io.BytesIO(message), digest="d", header_digest="h", size=len(message), now=NOW
    )
    assert (mail.subject, mail.text, mail.parts) == ("ö", "", ())
    assert mail.defects == ("body-not-read",)


def test_the_clock_is_asked_when_no_time_is_given() -> None:
    """Without a time to judge by, a date far ahead of the clock is none."""
    message = b"Date: Fri, 1 Jan 9990 00:00:00 +0000\r\n\r\n"
    mail = read_header(io.BytesIO(message), digest="", header_digest="", size=len(message))
    assert mail.date is None


def test_defects_are_sorted_and_each_is_named_once() -> None:
    """However often something is wrong, it is one defect."""
    broken = b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nA!"
    mail = read(b"Date: never\r\n" + multipart(broken, broken))
    assert mail.defects == ("base64-foreign-octets", "base64-truncated", "unusable-date")


def test_record() -> None:
    """The record as JSON has every field under its documented name."""
    message = (
        b"Message-ID: <m@x>\r\nIn-Reply-To: <i@x>\r\nReferences: <r@x> <i@x>\r\n"
        b"Date: Mon, 1 Jan 2001 01:02:03 +0100\r\nFrom: A <a@x>, b@x\r\nTo: c@x\r\nCc: d@x\r\n"
        b"Bcc: e@x\r\nReply-To: f@x\r\nSubject: s\r\nList-Id: L <l.x>\r\n"
    )
    part = (
        b'Content-Type: a/b; name="n"\r\nContent-ID: <p@x>\r\nContent-Disposition: inline\r\n\r\n1'
    )
    mail = read(message + multipart(b"\r\ntext", part))
    record = json.loads(json.dumps(mail_json(mail)))
    one = {"name": "", "address": ""}
    assert record == {
        "digest": mail.digest,
        "header_digest": mail.header_digest,
        "size": mail.size,
        "message_id": "m@x",
        "in_reply_to": ["i@x"],
        "references": ["r@x", "i@x"],
        "date": "2001-01-01T00:02:03Z",
        "date_header": "Mon, 1 Jan 2001 01:02:03 +0100",
        "from": {"name": "A", "address": "a@x"},
        "authors": [{"name": "A", "address": "a@x"}, {**one, "address": "b@x"}],
        "to": [{**one, "address": "c@x"}],
        "cc": [{**one, "address": "d@x"}],
        "bcc": [{**one, "address": "e@x"}],
        "reply_to": [{**one, "address": "f@x"}],
        "subject": "s",
        "list_id": "l.x",
        "text": "text",
        "parts": [
            {
                "name": "n",
                "type": "a/b",
                "disposition": "inline",
                "content_id": "p@x",
                "size": 1,
                "digest": mail.parts[0].digest,
            }
        ],
        "defects": [],
    }


def test_record_of_nothing() -> None:
    """An empty message has an empty record."""
    record = mail_json(read(b""))
    assert (record["from"], record["date"], record["text"], record["parts"]) == (None, None, "", [])
    assert mail_json(Mail("d", "h", 0))["subject"] == ""


def test_sink_failures_pass_through() -> None:
    """What the sink raises is not mistaken for a defect of the message."""
    from archiver.mail import read_mail

    class Full:
        def begin(self) -> None:
            raise OSError("disk full")

        def write(self, octets: bytes) -> None:
            raise AssertionError

        def end(self, part: object) -> None:
            raise AssertionError

    message = multipart(b"Content-Type: a/b\r\n\r\n1")
    with pytest.raises(OSError, match="disk full"):
        read_mail(io.BytesIO(message), digest="", header_digest="", size=len(message), sink=Full())


def test_html_text() -> None:
    """HTML is its readable text; scripts, styles and comments are none of it."""
    markup = (
        "<html><head><title>t</title><style>s{}</style></head><body><!-- c --><script>x</script>"
        "<p>One &amp; <b>two</b></p><table><tr><td>a</td><td>b</td></tr></table>ö</body></html>"
    )
    mail, parts = read_with_parts(html(markup))
    assert [line for line in mail.text.split("\n") if line] == ["One & two", "a", "b", "ö"]
    assert parts == []
    assert not mail.defects


def test_importing_is_cheap() -> None:
    """The parsers of others are imported when a message first needs them."""
    program = (
        "import sys, archiver.mail\n"
        "print([name for name in ('mailparser', 'inscriptis', 'lxml') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.split() == [b"[]"]
