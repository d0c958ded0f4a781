import csv
import json
import mailbox
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pyarrow.parquet
import pytest

from archiver.errors import UsageError
from archiver.index import Hit, Location
from archiver.model import Address, Part
from archiver.verbs.export import Format, format_of, open_target
from archiver.verbs.export.below import Below
from archiver.verbs.export.trees import unix_lines

PLAIN = b"From: a@example.com\r\nSubject: x\r\n\r\nFrom here\r\n>From there\r\nend\r\n"
BARE = b"Subject: y\r\n\r\nbare\nnewline and \r return \0\r\n"
OPEN = b"Subject: z\r\n\r\nno line end"


def hit(number: int, octets: bytes, **fields: object) -> Hit:
    """What the index says of a message."""
    values = {
        "digest": f"{number:064x}",
        "message_id": f"{number}@example.com",
        "places": (Location("me@example.com", f"mail/{number}", 0, len(octets)),),
        "date": 1_400_000_000 + number,
        "author": Address("A", "a@example.com"),
        "to": (),
        "subject": "x",
        "size": len(octets),
        "attachments": (),
        "snippet": "",
        **fields,
    }
    return Hit(**values)  # type: ignore[arg-type]


MAILS = [(hit(n, octets), octets) for n, octets in enumerate((PLAIN, BARE, OPEN))]


def write(form: Format, destination: Path, *, finish: bool = True) -> list[bool]:
    """Exports all messages; says which of them were there already."""
    with open_target(form, destination, "") as target:
        there = [target.has(one) for one, _ in MAILS]
        for (one, octets), known in zip(MAILS, there, strict=True):
            if not known:
                target.take(one, BytesIO(octets))
        if finish:
            target.finish()
    return there


def test_tree(tmp_path: Path) -> None:
    """A tree has every octet, below account, year and month, and bears the dates."""
    write(Format.EML, tmp_path / "out")
    files = sorted((tmp_path / "out").rglob("*.eml"))
    assert [file.read_bytes() for file in files] == [octets for _, octets in MAILS]
    assert files[0].parent == tmp_path / "out" / "me@example.com" / "2014" / "05"
    assert files[0].stat().st_mtime == 1_400_000_000
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert write(Format.EML, tmp_path / "out") == [True] * 3


def test_maildir(tmp_path: Path) -> None:
    """A Maildir is read back by others; what cannot be written with LF alone is left as it is."""
    write(Format.MAILDIR, tmp_path / "out")
    read = {one.as_bytes() for one in mailbox.Maildir(tmp_path / "out")}
    assert len(read) == 3
    files = sorted((tmp_path / "out" / "cur").iterdir())
    assert files[0].read_bytes() == PLAIN.replace(b"\r\n", b"\n")
    assert files[1].read_bytes() == BARE
    assert write(Format.MAILDIR, tmp_path / "out") == [True] * 3


def test_mbox(tmp_path: Path) -> None:
    """An mbox is read back, with the lines that look like the beginning of a message."""
    write(Format.MBOX, tmp_path / "out.mbox")
    box = mailbox.mbox(tmp_path / "out.mbox")
    assert len(box) == 3
    read = [one.as_bytes() for one in box]
    assert read[0] == (b"From: a@example.com\nSubject: x\n\n>From here\n>>From there\nend\n")
    assert read[2] == b"Subject: z\n\nno line end\n"
    box.close()


@pytest.mark.parametrize("size", [1, 65_530, 65_535, 65_536, 65_537, 131_072])
def test_quoting_wherever_a_line_stands(tmp_path: Path, size: int) -> None:
    """A line is quoted wherever in a long message it stands, and nothing else is."""
    octets = b"A: b\r\n\r\n" + b"x" * size + b"\r\nFrom y\r\n>>From z\r\nx From w\r\n"
    with open_target(Format.MBOX, tmp_path / "out", "") as target:
        target.take(hit(1, octets), BytesIO(octets))
        target.finish()
    _, _, body = (tmp_path / "out").read_bytes().partition(b"\n")
    lines = body.rstrip(b"\n").split(b"\n")
    assert lines == [b"A: b", b"", b"x" * size, b">From y", b">>>From z", b"x From w"]


def test_zip(tmp_path: Path) -> None:
    """A ZIP file has the tree in it, and is whole."""
    write(Format.ZIP, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as opened:
        assert opened.testzip() is None
        assert [opened.read(name) for name in opened.namelist()] == [m for _, m in MAILS]
        assert opened.namelist()[0].startswith("me@example.com/2014/05/")


def test_tables(tmp_path: Path) -> None:
    """Tables have a row for each message, with the same fields in every form."""
    for form in (Format.CSV, Format.JSONL, Format.PARQUET):
        write(form, tmp_path / form)
    digests = [one.digest for one, _ in MAILS]
    with (tmp_path / "csv").open(newline="") as file:
        assert [row["digest"] for row in csv.DictReader(file)] == digests
    lines = [json.loads(line) for line in (tmp_path / "jsonl").read_text().splitlines()]
    assert [line["digest"] for line in lines] == digests
    table = pyarrow.parquet.read_table(tmp_path / "parquet").to_pylist()
    assert [row["digest"] for row in table] == digests
    assert table[0].keys() == lines[0].keys()
    assert table[0]["date"].timestamp() == 1_400_000_000


@pytest.mark.parametrize("form", [Format.MBOX, Format.CSV, Format.JSONL])
def test_going_on(tmp_path: Path, form: Format) -> None:
    """A file that was cut off anywhere is gone on with, and becomes the same."""
    write(form, tmp_path / "whole")
    write(form, tmp_path / "cut", finish=False)
    partial, journal = tmp_path / "cut.partial", tmp_path / "cut.partial.done"
    octets, lines = partial.read_bytes(), journal.read_bytes()
    for end in range(len(octets) + 1):
        for told in (lines, lines[: len(lines) // 2], lines[:-70], b""):
            partial.write_bytes(octets[:end] + b"rubbish")
            journal.write_bytes(told)
            write(form, tmp_path / "cut")
            assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()
            assert not journal.exists()
            (tmp_path / "cut").unlink()


def test_another_export_is_not_gone_on_with(tmp_path: Path) -> None:
    """What another query left half done is begun anew."""
    write(Format.JSONL, tmp_path / "out", finish=False)
    with open_target(Format.JSONL, tmp_path / "out", "another") as target:
        assert not target.has(MAILS[0][0])


@pytest.mark.parametrize("form", [Format.MBOX, Format.ZIP, Format.CSV, Format.PARQUET])
def test_nothing_is_written_over(tmp_path: Path, form: Format) -> None:
    """A file that is there is left as it is."""
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write(form, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


ATTACHED = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>text\r\n"
    b'--b\r\nContent-Disposition: attachment; filename="../../etc/passwd"\r\n\r\nfirst\r\n'
    b'--b\r\nContent-Disposition: attachment; filename="../../etc/passwd"\r\n\r\nsecond\r\n'
    b'--b\r\nContent-Disposition: attachment; filename="CON"\r\n\r\nthird\r\n--b--\r\n'
)


def test_attachments(tmp_path: Path) -> None:
    """Attachments are decoded, in their order, by names that lead nowhere and differ."""
    from archiver.index import prepare
    from archiver.mail import read_mail

    digest = "ab" * 32
    mail = read_mail(BytesIO(ATTACHED), digest=digest, header_digest="", size=len(ATTACHED))
    one = hit(1, ATTACHED, digest=digest, attachments=prepare(mail).attachments, date=None)
    for there in (False, True):
        with open_target(Format.ATTACHMENTS, tmp_path / "out", "") as target:
            assert target.has(one) is there
            target.take(one, BytesIO(ATTACHED))
            target.finish()
    files = sorted((tmp_path / "out").iterdir())
    assert [file.read_bytes() for file in files] == [b"first", b"second", b"third"]
    assert [file.name for file in files] == [
        f"undated_{digest[:16]}_1_passwd",
        f"undated_{digest[:16]}_2_passwd",
        f"undated_{digest[:16]}_3__CON",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.fixture
def below(tmp_path: Path) -> Iterator[Below]:
    """A place to write to, beside one that is not."""
    (tmp_path / "elsewhere").mkdir()
    opened = Below(tmp_path / "out")
    yield opened
    opened.close()


def plant_directory(out: Path) -> None:
    """A link in place of a directory."""
    (out / "a").symlink_to(out.parent / "elsewhere")


def plant_unfinished(out: Path) -> None:
    """A link in place of a file that is being written."""
    (out / "a").mkdir()
    (out / "a" / ".archiver-unfinished").symlink_to(out.parent / "elsewhere" / "b")


def plant_file(out: Path) -> None:
    """A link in place of the file."""
    (out / "a").mkdir()
    (out / "a" / "b").symlink_to(out.parent / "elsewhere" / "b")


@pytest.mark.parametrize("plant", [plant_directory, plant_unfinished, plant_file])
def test_links_lead_nowhere(below: Below, tmp_path: Path, plant: Callable[[Path], None]) -> None:
    """A symbolic link that somebody has put into the destination is not followed."""
    plant(tmp_path / "out")
    assert not below.has(("a",), "b")
    try:
        with below.create(("a",), "b") as file:
            file.write(b"octets")
    except OSError:
        assert plant is plant_directory
    else:
        assert (tmp_path / "out" / "a" / "b").read_bytes() == b"octets"
        assert not (tmp_path / "out" / "a" / "b").is_symlink()
    assert not any((tmp_path / "elsewhere").iterdir())


def test_half_a_file_is_none(below: Below, tmp_path: Path) -> None:
    """A file that could not be written to its end is not there."""
    with pytest.raises(OSError, match="full"), below.create(("a",), "b") as file:
        file.write(b"octets")
        raise OSError("full")
    assert not any((tmp_path / "out" / "a").iterdir())


@pytest.mark.parametrize("size", range(65_530, 65_542))
def test_line_ends_where_pieces_meet(size: int) -> None:
    """CRLF becomes LF wherever it stands, and a lone CR at the end is kept."""
    octets = b"x" * size + b"\r\n" * 5
    assert b"".join(unix_lines(BytesIO(octets))) == octets.replace(b"\r\n", b"\n")
    for odd in (octets + b"\r", octets + b"\n", b"\r" + octets):
        assert b"".join(unix_lines(BytesIO(odd))) == odd


@pytest.mark.parametrize(
    ("name", "form"),
    [("a", "eml"), ("a.mbox", "mbox"), ("a.ZIP", "zip"), ("a.jsonl", "jsonl"), ("a.b", "eml")],
)
def test_format_by_ending(name: str, form: str) -> None:
    """The ending of a name says the format where nobody else does."""
    assert format_of(Path(name), None, attachments=False) == form
    with pytest.raises(UsageError, match="expected one of"):
        format_of(Path(name), "pst", attachments=False)
    with pytest.raises(UsageError, match="--attachments"):
        format_of(Path(name), "eml", attachments=True)


PART = Part(digest="cd" * 32, size=1, type="text/plain", name="n" * 300 + ".txt")


def test_overlong_names(tmp_path: Path) -> None:
    """A name that no file system holds is cut, before its ending."""
    from archiver.verbs.export.attachments import _names

    (name,) = _names(hit(1, b"", attachments=(PART,)))
    assert len(name.encode()) < 255
    assert name.endswith("n.txt")
