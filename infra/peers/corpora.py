"""Peers' own test mails, downloaded as their packages bring them; none of it is kept."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_DEBIAN = "deb-src http://deb.debian.org/debian bookworm main\n"
# A letter has a header; what begins otherwise among the test data is none.
_HEADER = 4096


class NotToBeHad(Exception):
    """A registry does not give a package."""


def mails(directory: Path) -> dict[str, bytes]:
    """Every test mail of the peers, by the name of its peer and its file.

    Args:
        directory: empty; takes what is downloaded.

    Raises:
        NotToBeHad: one of them cannot be downloaded.
    """
    found: dict[str, bytes] = {}
    for peer, fetch in (
        ("mail-parser", _mail_parser),
        ("python", _python),
        ("notmuch", _notmuch),
    ):
        place = directory / peer
        place.mkdir()
        for name, octets in sorted(fetch(place)):
            found[f"{peer}/{name}"] = octets
    return found


def _mail_parser(place: Path) -> Iterator[tuple[str, bytes]]:
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
    _run([*pip, "--no-binary", "mail-parser", "--dest", str(place), "mail-parser"], place)
    for path, octets in _unpacked(_only(place, "mail_parser-*.tar.gz")):
        if "/tests/" in path and "mail_outlook" not in path and _is_mail(path, octets):
            yield path.split("/tests/", 1)[1], octets


def _python(place: Path) -> Iterator[tuple[str, bytes]]:
    _run(["apt-get", "--quiet", "download", "libpython3.11-testsuite"], place)
    archive = next(place.glob("libpython3.11-testsuite_*.deb"))
    unpacked = _run(["dpkg-deb", "--fsys-tarfile", str(archive)], place)
    for path, octets in _unpacked(io.BytesIO(unpacked)):
        if "/test_email/data/msg_" in path:
            yield path.rsplit("/", 1)[1], octets


def _notmuch(place: Path) -> Iterator[tuple[str, bytes]]:
    (place / "sources.list").write_text(_DEBIAN)
    (place / "lists" / "partial").mkdir(parents=True)
    apt = [
        *("apt-get", "--quiet", "-o", f"Dir::Etc::SourceList={place / 'sources.list'}"),
        *("-o", "Dir::Etc::SourceParts=/dev/null", "-o", f"Dir::State::Lists={place / 'lists'}"),
    ]
    _run([*apt, "update"], place)
    _run([*apt, "--download-only", "source", "notmuch"], place)
    for path, octets in _unpacked(_only(place, "notmuch_*.orig.tar.xz")):
        if "/test/corpora/" in path and _is_mail(path, octets):
            yield path.split("/test/corpora/", 1)[1], octets


def _run(command: list[str], place: Path) -> bytes:
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, check=False)
    except FileNotFoundError as failure:
        raise NotToBeHad(f"{command[0]} is not installed") from failure
    if done.returncode:
        raise NotToBeHad(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _only(place: Path, pattern: str) -> BinaryIO:
    return io.BytesIO(next(place.glob(pattern)).read_bytes())


def _unpacked(archive: BinaryIO) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=archive) as members:
        for member in members:
            if member.isfile() and (opened := members.extractfile(member)):
                yield member.name, opened.read()


def _is_mail(path: str, octets: bytes) -> bool:
    begin = octets[:_HEADER].lower()
    named = not path.endswith((".py", ".json", ".md", ".sh", ".desc"))
    return named and any(field in begin for field in (b"\nfrom:", b"\nsubject:", b"\nreceived:"))
