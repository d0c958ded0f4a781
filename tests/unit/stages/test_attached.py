import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from attached_files import docx, pdf

from archiver.extract import ATTACHMENT_LIMIT, Extractor, Kind, Why
from archiver.mail import plain_text, read_mail
from archiver.model import Part
from archiver.stages.attached import AttachedText, judge

PDF = Part("ab" * 32, 5, "application/pdf", "a.pdf")


@pytest.fixture
def attached(tmp_path: Path) -> Iterator[AttachedText]:
    """A sink for one message."""
    with (
        closing(Extractor(tmp_path)) as extractor,
        closing(AttachedText(tmp_path, extractor)) as it,
    ):
        yield it


def message(*files: bytes, media_type: bytes = b"application/octet-stream") -> bytes:
    """A message with these files, which are named as documents of Word."""
    parts = b"".join(
        b"--b\r\nContent-Type: %s\r\nContent-Disposition: attachment; filename=%d.docx\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n%s\r\n" % (media_type, number, octets)
        for number, octets in enumerate(files)
    )
    return (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n" + parts + b"--b--"
    )


def test_what_is_due() -> None:
    """An attachment that holds text is due, which is judged without its octets."""
    picture = Part("cd" * 32, 5, "image/png", "a.png")
    body = Part("ef" * 32, 5, "text/html")
    assert judge((picture, body)) == judge(())
    assert (judge((PDF,)).due, judge((PDF,)).unread) == (True, {})


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, attached: AttachedText) -> None:
    """Without its reader a PDF is due to nobody, is noted, and all else is read."""
    monkeypatch.setattr("archiver.extract.kinds.readers", frozenset[Kind])
    assert (judge((PDF,)).due, judge((PDF,)).unread) == (False, {PDF.digest: "needs-pdf"})
    octets = message(docx("walrus")) + b""
    mail = read_mail(
        io.BytesIO(octets), digest="", header_digest="", size=len(octets), sink=attached
    )
    assert attached.texts == {mail.parts[0].digest: "walrus\n\n"}
    attached.begin()
    attached.write(pdf("walrus"))
    attached.end(PDF)
    assert attached.unread == {PDF.digest: Why.NEEDS_PDF}


def test_an_attachment_without_end(attached: AttachedText) -> None:
    """Of an attachment of 500 MB no more than the limit is kept; it is said to be too large."""
    attached.begin()
    piece = bytes(1 << 20)
    for _ in range(500):
        attached.write(piece)
    assert attached._octets is not None
    assert attached._octets.tell() <= ATTACHMENT_LIMIT
    large = Part("ab" * 32, 500 << 20, "text/plain", "a.txt")
    attached.end(large)
    assert (attached.texts, attached.unread) == ({}, {large.digest: Why.TOO_LARGE})


def test_a_message_that_breaks_readers(
    attached: AttachedText, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When three attachments of a message broke their reader, the others are left alone."""
    monkeypatch.setattr("archiver.extract.extractor.WALL_SECONDS", 0.0)
    octets = message(*(docx(f"walrus{number}") for number in range(5)))
    read_mail(io.BytesIO(octets), digest="", header_digest="", size=len(octets), sink=attached)
    assert sorted(attached.unread.values()) == [Why.OUT_OF_TIME] * 3 + [Why.TOO_MANY] * 2


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("naïve".encode(), "naïve"),
        ("naïve".encode("cp1252"), "naïve"),
        ("naïve".encode("utf-16"), "naïve"),
        ("naïve".encode("utf-8-sig"), "naïve"),
        ("naï".encode()[:-1], "na"),
    ],
)
def test_attached_text(octets: bytes, text: str) -> None:
    """Attached text is read as its mark says, as UTF-8 though it is cut, else as windows-1252."""
    assert plain_text(octets) == text
