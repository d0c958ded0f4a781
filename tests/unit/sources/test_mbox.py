import mailbox
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.sources import Letter, Mbox, Source, Trouble

FROM = b"From jane@example.com Fri Dec 13 20:11:21 2002\n"


def found(source: Source) -> Iterator[tuple[Letter, bytes]]:
    """The messages with their octets, each read before the next one is looked for."""
    for letter in source.letters():
        assert isinstance(letter, Letter), letter
        yield letter, b"".join(letter.pieces())


def read(path: Path, octets: bytes, kind: Mbox = Mbox.RD) -> list[bytes]:
    """The messages of an mbox with these octets, with LF as line ends."""
    path.write_bytes(octets)
    return [each.replace(b"\r\n", b"\n") for _, each in found(Source(path, kind))]


def test_messages_have_the_line_ends_of_the_wire(tmp_path: Path) -> None:
    """What lies there with LF comes with CRLF, without the empty line behind each message."""
    box = tmp_path / "Inbox.mbox"
    box.write_bytes(FROM + b"Subject: one\n\na\n\n" + FROM + b"Subject: two\n\nb\n\n\n")
    assert [octets for _, octets in found(Source(box))] == [
        b"Subject: one\r\n\r\na\r\n",
        b"Subject: two\r\n\r\nb\r\n\r\n",
    ]


def test_other_line_ends_are_kept(tmp_path: Path) -> None:
    """A message with CRLF anywhere is taken as it is."""
    box = tmp_path / "box"
    mixed, crlf = b"Subject: m\r\n\na\nb\r\n", b"Subject: c\r\n\r\nx\r\n"
    box.write_bytes(FROM + mixed + b"\n" + FROM.replace(b"\n", b"\r\n") + crlf + b"\r\n")
    assert [octets for _, octets in found(Source(box))] == [mixed, crlf]


def test_origin(tmp_path: Path) -> None:
    """The file's name is the label, and the From line's time when it was delivered, in UTC."""
    box = tmp_path / "Old mail.mbox"
    later = b"From x Fri Dec 13 20:11:21 +0100 2002\n"
    never = b"From x Fri, 13 Dec 2002 at 20:11\n"
    box.write_bytes(b"".join(each + b"A: b\n\nc\n\n" for each in (FROM, later, never)))
    origins = [letter.origin for letter, _ in found(Source(box))]
    assert [each.internal_date for each in origins] == [1039810281, 1039806681, None]
    assert {(each.protocol, each.labels, each.flags) for each in origins} == {
        ("mbox", ("Old mail",), ())
    }


@pytest.mark.parametrize(
    "text",
    [
        b"From now on we meet at ten.\nAt noon: lunch\n",
        b"x\n\nFrom now on we meet at ten.\nSubject: no border, since it has no date\n",
        b"x\n\nFrom bob Fri Dec 13 20:11:21 2002\nno field follows, so this is text\n",
        b"a From line Fri Dec 13 20:11:21 2002\nX: y\n",
        b" From x Fri Dec 13 20:11:21 2002\nX: y\n",
        b"Fromage Fri Dec 13 20:11:21 2002\nX: y\n",
    ],
)
def test_text_that_is_no_border(tmp_path: Path, text: bytes) -> None:
    """A line of text that begins as a border does is text."""
    message = b"Subject: one\n\n" + text
    assert read(tmp_path / "box", FROM + message + b"\n" + FROM + b"A: b\n\nc\n\n") == [
        message,
        b"A: b\n\nc\n",
    ]


def test_borders_of_several_writers(tmp_path: Path) -> None:
    """Thunderbird, Gmail, readpst and others write the line each in their own way."""
    borders = (
        b"From - Mon Jan 01 00:00:00 2024\n",
        b"From 1789012345678901234@xxx Tue Jan 02 10:00:00 +0000 2024\n",
        b'From "jane@example.com" Fri Aug 24 05:14:07 2018\n',
        b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n",
        b"From jane Fri Dec 13 20:11 MET 2002\n",
    )
    messages = [b"N: %d\n\nx\n" % number for number in range(len(borders))]
    octets = b"".join(b + m + b"\n" for b, m in zip(borders, messages, strict=True))
    assert read(tmp_path / "box", octets) == messages


def test_borders_without_dates(tmp_path: Path) -> None:
    """Where the first From line has no date, the others need none, but an empty line before."""
    octets = b"From jane\nA: 1\n\nx\nFrom y\nB: c\n\nFrom joe\nA: 2\n\nz\n\n"
    assert read(tmp_path / "box", octets) == [b"A: 1\n\nx\nFrom y\nB: c\n", b"A: 2\n\nz\n"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Mbox.RD, b"From a\n>From b\n >From c\n"),
        (Mbox.O, b"From a\n>>From b\n >From c\n"),
        (Mbox.CL2, b">From a\n>>From b\n >From c\n"),
    ],
)
def test_quotes(tmp_path: Path, kind: Mbox, expected: bytes) -> None:
    """What a writer of each kind has put before lines is taken away, and nothing else."""
    octets = FROM + b"A: b\n\n>From a\n>>From b\n >From c\n\n"
    assert read(tmp_path / "box", octets, kind) == [b"A: b\n\n" + expected]


def test_length_that_is_told(tmp_path: Path) -> None:
    """Content-Length is believed where a border or the end lies there, and only when asked for."""
    body = b"x\n\n" + FROM + b"Subject: inside\n\ny\n"
    message = b"A: 1\nContent-Length: %d\n\n" % len(body) + body
    wrong = b"A: 2\nContent-Length: 3\n\nlonger\n"
    octets = FROM + message + b"\n" + FROM + wrong + b"\n" + FROM + message
    assert read(tmp_path / "box", octets, Mbox.CL2) == [message, wrong, message]
    assert len(read(tmp_path / "box", octets)) == 5


def test_pieces_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Borders, quotes and line ends are found wherever the pieces of a read end."""
    messages = [b"A: %d\n\n>From x\n>>From y\n\nFrom z\n%b\n" % (n, b"w" * n) for n in range(40)]
    quoted = [m.replace(b"\n>", b"\n>>").replace(b"\nFrom ", b"\n>From ") for m in messages]
    octets = b"".join(FROM + each + b"\n" for each in quoted)
    for size in (7, 16, 33):
        for module in ("letter", "mbox"):
            monkeypatch.setattr(f"archiver.sources.{module}.CHUNK", size)
        assert read(tmp_path / "box", octets) == messages


BODIES = st.lists(
    st.sampled_from(
        [b"", b"x", b"From a", b">From b", b">>From ", FROM[:-1], b"A: b", b"\r", b"\xff\0"]
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=4))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, bodies: list[list[bytes]]) -> None:
    """Whatever is written as mboxrd is read back, message for message."""
    messages = [b"A: b\n\n" + b"\n".join(lines) + b"\n" for lines in bodies]
    quoted = [_as_mboxrd(each) for each in messages]
    octets = b"".join(FROM + each + b"\n" for each in quoted)
    path = tmp_path_factory.mktemp("box") / "box"
    path.write_bytes(octets)
    for (_, got), sent in zip(found(Source(path)), messages, strict=True):
        # A CR at the end of a line makes it one of the wire.
        assert got == (sent if b"\r\n" in sent else sent.replace(b"\n", b"\r\n"))


def _as_mboxrd(message: bytes) -> bytes:
    lines = message.split(b"\n")
    return b"\n".join(b">" + x if x.lstrip(b">").startswith(b"From ") else x for x in lines)


def test_what_the_standard_library_writes(tmp_path: Path) -> None:
    """An mbox of Python's own is read as it was meant."""
    messages = [b"Subject: %d\n\nhello\n" % number for number in range(5)]
    box = mailbox.mbox(tmp_path / "box")
    for each in messages:
        box.add(each)
    box.close()
    assert [o.replace(b"\r\n", b"\n") for _, o in found(Source(tmp_path / "box"))] == messages


def test_file_that_changes(tmp_path: Path) -> None:
    """A file that is written to meanwhile is read as far as it went, and that is said."""
    box = tmp_path / "box"
    box.write_bytes((FROM + b"A: b\n\nc\n\n") * 2)
    met = []
    for each in Source(box).letters():
        met.append(each)
        with box.open("ab") as more:
            more.write(FROM + b"A: late\n\nc\n\n")
    assert [type(each) for each in met] == [Letter, Letter, Trouble]
