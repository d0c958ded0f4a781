"""Octets go into a file as a whole or not at all, and over nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.errors import UsageError
from archiver.verbs.saving import save


def test_a_new_file(tmp_path: Path) -> None:
    """It has the octets, and is its owner's."""
    path = tmp_path / "new"
    assert save([b"ab", b"", b"c"], path) == 3
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["file", "link to nothing", "directory"])
def test_what_is_there_stays(kind: str, tmp_path: Path) -> None:
    """Whatever lies under the name is not touched."""
    path = tmp_path / "taken"
    if kind == "file":
        path.write_bytes(b"mine")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is there already"):
        save([b"x"], path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    """A name that is taken while octets come is not taken over."""
    path = tmp_path / "taken"

    def chunks() -> Iterator[bytes]:
        yield b"x"
        path.write_bytes(b"mine")

    with pytest.raises(UsageError, match="is there already"):
        save(chunks(), path)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has no links gets the file all the same."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "new"
    save([b"x"], path)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UsageError, match="is there already"):
        save([b"y"], path)


def test_replacing(tmp_path: Path) -> None:
    """On demand a file is replaced, one that a link leads to is not; what is no file stays."""
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_bytes(b"mine")
    link.symlink_to(target)
    os.mkfifo(pipe)
    save([b"new"], link, replace=True)
    assert (target.read_bytes(), link.read_bytes()) == (b"mine", b"new")
    with pytest.raises(UsageError, match="is no file"):
        save([b"x"], pipe, replace=True)


def test_octets_that_fail_leave_nothing(tmp_path: Path) -> None:
    """Where the octets end with an error, no file is left."""

    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(chunks(), tmp_path / "new")
    assert not list(tmp_path.iterdir())
