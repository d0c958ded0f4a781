"""A path that somebody names: what lies there, told by what it is and not by what it is called.

A directory with ``cur`` or ``new`` is a folder of a maildir. In any other, files called ``*.eml``
are messages, and those that begin as an mbox does are one; what is neither is left out, and
counted. A file that is named itself is an mbox if it begins so, else a message.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from archiver.errors import UsageError
from archiver.model import Origin
from archiver.sources import maildir, mbox, pst
from archiver.sources.letter import Letter, Trouble, open_file, whole_file
from archiver.sources.mbox import Mbox

_BEGINNING = 4096
_PACKED = {b"\x1f\x8b": "gunzip", b"PK\x03\x04": "unzip", b"BZh": "bunzip2", b"\xfd7zXZ": "unxz"}


class Source:
    """What lies under a path; files that are made on the way go when it is closed.

    Args:
        path: a directory or a file; a symbolic link leads to what it names.
        kind: how mbox files were written.

    ``left_out`` counts, by what it is, what was passed over.

    Raises:
        UsageError: there is nothing that could be read, or nothing to read it with.
    """

    def __init__(self, path: Path, kind: Mbox = Mbox.RD) -> None:
        self._root = path.expanduser().resolve()
        self._kind = kind
        self._made = ExitStack()
        self.left_out: Counter[str] = Counter()
        try:
            self._is_directory = self._root.is_dir()
            if not self._is_directory:
                self._beginning = _beginning(self._root)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
        if not self._is_directory:
            self._refuse_packed(path)
            if pst.is_pst(self._beginning):
                pst.reader()

    def _refuse_packed(self, path: Path) -> None:
        for magic, unpack in _PACKED.items():
            if self._beginning.startswith(magic):
                raise UsageError(
                    f"{path} is compressed", hint=f"unpack it first ({unpack}), then import that"
                )

    def close(self) -> None:
        """Removes what was made on the way."""
        self._made.close()

    def letters(self) -> Iterator[Letter | Trouble]:
        """Every message, each to be read before the next one is asked for.

        Raises:
            LocalDiskError: there is no room to unpack an Outlook file.
        """
        if self._is_directory:
            yield from self._walk(self._root)
        else:
            yield from self._file(self._root, self._beginning, self._named(()))

    def _named(self, folder: tuple[str, ...]) -> tuple[str, ...]:
        """A label for messages in files of this folder, if it is below the root."""
        return (_text("/".join(folder)),) if folder else ()

    def _walk(self, root: Path) -> Iterator[Letter | Trouble]:
        """A tree, of any depth, a directory at a time; its symbolic links are left out."""
        waiting = [root]
        while waiting:
            directory = waiting.pop()
            try:
                with os.scandir(directory) as entries:
                    below = sorted(
                        entry.name for entry in entries if entry.is_dir(follow_symlinks=False)
                    )
            except OSError as error:
                yield Trouble(str(directory), error.strerror or str(error))
                continue
            parts = directory.relative_to(root).parts
            if any(name in below for name in maildir.HELD):
                below = [name for name in below if name not in maildir.OWN]
                yield from maildir.letters(directory, _text(maildir.folder_name(parts)))
            else:
                yield from self._files(directory, parts)
            waiting += [directory / name for name in reversed(below)]

    def _files(self, directory: Path, parts: tuple[str, ...]) -> Iterator[Letter | Trouble]:
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        self.left_out["symbolic links"] += 1
                    elif entry.is_file(follow_symlinks=False):
                        yield from self._entry(Path(entry.path), parts)
        except OSError as error:
            yield Trouble(str(directory), error.strerror or str(error))

    def _entry(self, path: Path, parts: tuple[str, ...]) -> Iterator[Letter | Trouble]:
        if path.suffix.lower() == ".eml":
            yield _message(path, self._named(parts))
            return
        try:
            beginning = _beginning(path)
        except FileNotFoundError:
            return
        except OSError as error:
            yield Trouble(str(path), error.strerror or str(error))
            return
        if mbox.is_mbox(beginning) or pst.is_pst(beginning):
            yield from self._file(path, beginning, self._named(parts))
        else:
            self.left_out["files that are no mail"] += 1

    def _file(
        self, path: Path, beginning: bytes, labels: tuple[str, ...]
    ) -> Iterator[Letter | Trouble]:
        if pst.is_pst(beginning):
            try:
                unpacked = self._made.enter_context(pst.unpacked(path))
            except UsageError as error:
                yield Trouble(str(path), f"{error.message}; {error.hint}")
                return
            for found in self._walk(unpacked):
                yield pst.as_from(found, path, unpacked)
        elif mbox.is_mbox(beginning):
            own = path.stem if path.suffix.lower() == ".mbox" else path.name
            try:
                yield from mbox.letters(path, self._kind, (_text("/".join((*labels, own))),))
            except OSError as error:
                yield Trouble(str(path), error.strerror or str(error))
        else:
            yield _message(path, labels)


def _message(path: Path, labels: tuple[str, ...]) -> Letter:
    try:
        size = path.lstat().st_size
    except OSError:
        size = 0  # whoever reads it hears why
    return Letter(str(path), size, Origin("file", labels), partial(whole_file, path))


def _beginning(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read(_BEGINNING)


def _text(name: str) -> str:
    """A name that is no UTF-8, written so that it is."""
    return os.fsencode(name).decode("utf-8", "replace")
