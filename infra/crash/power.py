"""What the loss of power leaves of a directory.

By the strict reading of POSIX a file has the octets of its last fsync, under the names that its
directory had at that directory's last fsync: what was created since is not there, and what was
removed since is there again. Real file systems may keep more, so a cut may also be *lenient*: of
what was not durable, some survives.

The shadow (``shim.c``) has by inode: ``files``, the octets of the last fsync; ``directories``, the
entries of the last fsync, each a letter, an inode and a name; ``pins``, the file as it is now.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

from infra.crash import shim

_PAGE = 4096
_CHANCES = (0.1, 0.5, 0.9)
# It is made afresh from the write-ahead log by whoever opens the database first.
_VOLATILE = "-shm"


STATE = "local/state"
"""The state directory below a root."""

STORE = "disk/store"
"""The store below a root, as it were on a disk of its own."""


class Entry(NamedTuple):
    """One name in a directory."""

    inode: int
    is_directory: bool


class Power:
    """The durable side of a directory; everything below it lives on one file system.

    Args:
        root: the directory, which is made, with what is above state and store.
        shadow: where the library keeps what it saw, beside the root.
    """

    def __init__(self, root: Path, shadow: Path) -> None:
        self.root = root
        self.shadow = shadow
        for path in (STATE, STORE):
            (root / path).parent.mkdir(parents=True)
        shim.prepare(shadow)
        self.adopt()

    def durable(self, below: str) -> Iterator[tuple[str, bytes]]:
        """The files below a directory that would be there after a cut, by their paths."""
        inode = self.root.stat().st_ino
        for name in below.split("/"):
            entry = self._entries(inode).get(name)
            if entry is None:
                return
            inode = entry.inode
        yield from self._durable(inode, f"{below}/")

    def _durable(self, directory: int, prefix: str) -> Iterator[tuple[str, bytes]]:
        for name, entry in self._entries(directory).items():
            if entry.is_directory:
                yield from self._durable(entry.inode, f"{prefix}{name}/")
            else:
                yield f"{prefix}{name}", self._octets(entry.inode)

    def cut(self, luck: Random | None = None) -> None:
        """Leaves what a cut leaves, which is durable from then on.

        Args:
            luck: what decides of all that was not durable whether it survives; None loses it.
        """
        after = self.root.with_name(f"{self.root.name}.after")
        after.mkdir()
        chance = 0.0 if luck is None else luck.choice(_CHANCES)
        _Rebuilding(self, luck or Random(0), chance).build(  # noqa: S311 - it is no secret
            self.root.stat().st_ino, self.root, after
        )
        shutil.rmtree(self.root)
        after.rename(self.root)
        self.adopt()

    def adopt(self) -> None:
        """Takes everything that is there for durable."""
        shutil.rmtree(self.shadow)
        shim.prepare(self.shadow)
        self._adopt(self.root)

    def _adopt(self, directory: Path) -> None:
        lines = []
        for name, entry in _living(directory).items():
            path = directory / name
            lines.append(f"{'d' if entry.is_directory else 'f'}{entry.inode} {name}\0".encode())
            if entry.is_directory:
                self._adopt(path)
            else:
                os.link(path, self.shadow / "pins" / str(entry.inode))
                shutil.copyfile(path, self.shadow / "files" / str(entry.inode))
        record = self.shadow / "directories" / str(directory.stat().st_ino)
        record.write_bytes(b"".join(lines))

    def _entries(self, directory: int) -> dict[str, Entry]:
        try:
            record = (self.shadow / "directories" / str(directory)).read_bytes()
        except FileNotFoundError:
            return {}
        found = {}
        for line in record.split(b"\0")[:-1]:
            inode, _, name = line[1:].partition(b" ")
            found[os.fsdecode(name)] = Entry(int(inode), line.startswith(b"d"))
        return {name: entry for name, entry in found.items() if not name.endswith(_VOLATILE)}

    def _octets(self, inode: int) -> bytes:
        """What a file has for sure: nothing, when it was never synced."""
        return _read(self.shadow / "files" / str(inode))

    def _present(self, inode: int) -> bytes:
        """What a file has now, whether or not it still has a name."""
        return _read(self.shadow / "pins" / str(inode))


class _Rebuilding:
    """One cut; ``chance`` is that of each thing that was not durable to survive."""

    def __init__(self, power: Power, luck: Random, chance: float) -> None:
        self._power = power
        self._luck = luck
        self._chance = chance

    def build(self, directory: int, living: Path | None, target: Path) -> None:
        """Makes the directory anew in ``target``; ``living`` is where it is now, if it is."""
        durable = self._power._entries(directory)
        present = {} if living is None else _living(living)
        for name, entry in self._surviving(durable, present).items():
            path = target / name
            now = living / name if living is not None and present.get(name) == entry else None
            if entry.is_directory:
                path.mkdir()
                self.build(entry.inode, now, path)
            else:
                path.write_bytes(self._content(entry.inode, now))
                path.chmod(0o600)

    def _surviving(
        self, durable: Mapping[str, Entry], present: Mapping[str, Entry]
    ) -> dict[str, Entry]:
        chosen: dict[str, Entry] = {}
        for name in sorted(durable.keys() | present.keys()):
            old, new = durable.get(name), present.get(name)
            entry = new if old != new and self._is_lucky() else old
            if entry is not None:
                chosen[name] = entry
        # A file that was renamed has one of its names in any case.
        kept = {entry.inode for entry in chosen.values()}
        moved = {entry.inode for entry in present.values()} - kept
        return chosen | {name: entry for name, entry in durable.items() if entry.inode in moved}

    def _content(self, inode: int, now: Path | None) -> bytes:
        old = self._power._octets(inode)
        if not self._chance:
            return old
        new = self._power._present(inode)
        if not new and now is not None:
            new = now.read_bytes()
        if new == old:
            return old
        size = len(new) if self._is_lucky() else len(old)
        pages = range(0, size, _PAGE)
        mixed = b"".join(
            (new if self._is_lucky() else old)[page : page + _PAGE].ljust(_PAGE, b"\0")
            for page in pages
        )
        return mixed[:size]

    def _is_lucky(self) -> bool:
        return self._luck.random() < self._chance


def _living(directory: Path) -> dict[str, Entry]:
    with os.scandir(directory) as entries:
        return {
            entry.name: Entry(entry.inode(), entry.is_dir(follow_symlinks=False))
            for entry in entries
            if not entry.name.endswith(_VOLATILE)
        }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
