import hashlib
import io
import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from attached_files import docx, expanding, fetching, inflating, odt, pdf, pptx, rtf, xlsx, zipped

from archiver.extract import TEXT_LIMIT, Extracted, Extractor, Kind, Why
from archiver.extract.office import INFLATED_LIMIT

_MEMORY = 300 << 20


@pytest.fixture
def extractor(tmp_path: Path) -> Iterator[Extractor]:
    """One that is closed in the end."""
    with closing(Extractor(tmp_path)) as extractor:
        yield extractor


def read(extractor: Extractor, kind: Kind, octets: bytes) -> Extracted:
    """What it makes of a file."""
    return extractor.read(hashlib.sha256(octets).hexdigest(), kind, io.BytesIO(octets))


def _is_reader(child: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any("archiver.extract.process" in word for word in child.cmdline())
    return False


def process() -> psutil.Process:
    """The only reader; other tests may have servers of theirs beside it."""
    (only,) = filter(_is_reader, psutil.Process().children())
    return only


@pytest.mark.parametrize(
    ("kind", "octets", "words"),
    [
        (Kind.OFFICE, docx("a walrus"), ["a", "walrus"]),
        (Kind.OFFICE, xlsx("a walrus", 4711), ["a", "walrus", "4711"]),
        (Kind.OFFICE, pptx("a walrus"), ["a", "walrus"]),
        (Kind.OFFICE, odt("a walrus"), ["a", "walrus"]),
        (Kind.RTF, rtf(r"caf\'e9 {\b wal}rus"), ["café", "walrus"]),
        (Kind.PDF, pdf("a walrus", 2), ["a", "walrus", "a", "walrus"]),
        (Kind.ZIP, zipped({"a/walrus.txt": "tusk", "b": ""}), ["a/walrus.txt", "b"]),
    ],
)
def test_text_of_a_file(extractor: Extractor, kind: Kind, octets: bytes, words: list[str]) -> None:
    """Each kind of file gives the words that a person sees, and none of what is around them."""
    found = read(extractor, kind, octets)
    assert (found.text.split(), found.why) == (words, None)


@pytest.mark.parametrize("kind", [Kind.OFFICE, Kind.RTF, Kind.PDF, Kind.ZIP])
@pytest.mark.parametrize("octets", [b"", b"\0" * 1000, b"PK\5\6", b"%PDF-1.7\n%%EOF", b"{\\rtf1"])
def test_what_is_no_such_file(extractor: Extractor, kind: Kind, octets: bytes) -> None:
    """What is not what it says costs its own text, and its reader goes on with the next."""
    found = read(extractor, kind, octets)
    assert not found.text.strip()
    assert found.why in (None, Why.BROKEN)
    before = process().pid
    assert read(extractor, Kind.OFFICE, docx("walrus")).text.split() == ["walrus"]
    assert process().pid == before


@pytest.mark.parametrize(
    ("kind", "octets", "why"),
    [
        (Kind.OFFICE, expanding(), Why.BROKEN),
        (Kind.OFFICE, fetching(), Why.BROKEN),
        (Kind.OFFICE, inflating((INFLATED_LIMIT >> 20) + 1), Why.BROKEN),
        (Kind.OFFICE, zipped({"word/document.xml": b"<a>" * (5 << 20)}), Why.BROKEN),
        (Kind.RTF, b"{\\rtf1" + b"{" * (20 << 20), Why.OUT_OF_MEMORY),
    ],
    ids=["entities", "external entity", "zip bomb", "nesting", "braces"],
)
def test_hostile_files(extractor: Extractor, kind: Kind, octets: bytes, why: Why) -> None:
    """A hostile file is given up in little memory, says why, and is alone in not being read."""
    assert read(extractor, Kind.OFFICE, docx("before")).text.split() == ["before"]
    before = process().pid
    assert read(extractor, kind, octets) == Extracted(why=why)
    assert read(extractor, Kind.OFFICE, docx("after")).text.split() == ["after"]
    assert (process().pid == before) == (why is Why.BROKEN)


@pytest.mark.parametrize(
    ("kind", "octets", "most"),
    [
        (Kind.PDF, pdf("walrus", 10_000), 2000 * len("walrus\n")),
        (Kind.OFFICE, xlsx("walrus", 10**99, 50_000), TEXT_LIMIT),
        (Kind.ZIP, zipped({f"{n:0200}": "" for n in range(25_000)}), TEXT_LIMIT),
    ],
    ids=["10,000 pages", "50,000 rows", "25,000 names"],
)
def test_large_files(extractor: Extractor, kind: Kind, octets: bytes, most: int) -> None:
    """Of a large file the first part is read, in memory that does not grow with it."""
    found = read(extractor, kind, octets)
    assert found.why is None
    assert most * 0.9 < len(found.text) <= most
    peak = Path(f"/proc/{process().pid}/status").read_text().partition("VmHWM:")[2].split()[0]
    assert int(peak) << 10 < _MEMORY


def test_memory_is_limited_by_the_kernel(extractor: Extractor) -> None:
    """No file can make its reader take more memory than 300 MB, nor write more than its text."""
    read(extractor, Kind.OFFICE, docx("x"))
    assert process().rlimit(psutil.RLIMIT_AS)[1] < _MEMORY
    assert process().rlimit(psutil.RLIMIT_FSIZE)[1] == TEXT_LIMIT
    assert process().rlimit(psutil.RLIMIT_CPU)[0] < 20


def test_the_process_has_no_secrets(extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither variables nor sockets nor files of the worker are in the process that reads."""
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")
    read(extractor, Kind.OFFICE, docx("x"))
    assert "MAIL_PASSWORD" not in process().environ()
    files = [file.readlink() for file in Path(f"/proc/{process().pid}/fd").iterdir()]
    kinds = sorted(str(file).partition(":")[0] for file in files if str(file) != os.devnull)
    deleted = [kind for kind in kinds if kind.endswith("(deleted)")]
    # The two files that it shares, its input and its output.
    assert (len(deleted), [kind for kind in kinds if kind not in deleted]) == (2, ["pipe", "pipe"])


def test_a_process_that_dies(extractor: Extractor) -> None:
    """A reader that is killed is replaced, and the file is read all the same."""
    read(extractor, Kind.OFFICE, docx("before"))
    os.kill(process().pid, signal.SIGKILL)
    assert read(extractor, Kind.OFFICE, docx("after")).text.split() == ["after"]


def test_a_process_that_hangs(extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that does not answer is ended, and the file is said to take too long."""
    read(extractor, Kind.OFFICE, docx("before"))
    stopped = process()
    os.kill(stopped.pid, signal.SIGSTOP)
    monkeypatch.setattr("archiver.extract.extractor.WALL_SECONDS", 0.1)
    assert read(extractor, Kind.OFFICE, docx("after")) == Extracted(why=Why.OUT_OF_TIME)
    assert not psutil.pid_exists(stopped.pid)


def test_a_loop_is_ended(extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that takes endless processor time is given up when its share is used."""
    monkeypatch.setattr("archiver.extract.extractor.CPU_SECONDS", 1)
    attribute = zipped({"word/document.xml": b'<p a="' + b" " * (200 << 20)})
    assert read(extractor, Kind.OFFICE, attribute) == Extracted(why=Why.OUT_OF_TIME)


def test_the_same_file_again(extractor: Extractor) -> None:
    """An attachment that many messages carry is read once."""
    first = read(extractor, Kind.OFFICE, docx("walrus"))
    os.kill(process().pid, signal.SIGSTOP)
    assert read(extractor, Kind.OFFICE, docx("walrus")) == first
