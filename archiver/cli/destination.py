"""Where octets go that a verb hands out: stdout, a file, or a file in a directory."""

import sys
from collections.abc import Iterable
from pathlib import Path

from archiver.cli.output import octets, say, shell_word
from archiver.errors import UsageError
from archiver.verbs.saving import check_place, save


class Destination:
    """Where octets go.

    Args:
        named: as a person named it: a file, a directory, ``-`` or None for stdout.
        force: replace a file; print on a terminal.
    """

    def __init__(self, named: str | None, force: bool) -> None:
        self._path = None if named in (None, "-") else Path(str(named)).expanduser()
        self._force = force

    @property
    def is_terminal(self) -> bool:
        """Whether a person would see them."""
        return self._path is None and sys.stdout.isatty()

    def check(self, *, shown: bool = False) -> None:
        """Says what is wrong with it before anything is fetched.

        Args:
            shown: whether what goes to a terminal is made harmless for it.

        Raises:
            UsageError: it is a terminal, or something is there.
        """
        if self.is_terminal and not shown and not self._force:
            raise UsageError(
                "octets of mail may hold what a terminal obeys",
                hint="name a file by --output FILE, or add > FILE or | less; --force prints them",
            )
        if self._path is not None and not self._path.is_dir():
            check_place(self._path, replace=self._force)

    def give(self, chunks: Iterable[bytes], name: str) -> None:
        """Hands octets out.

        Args:
            chunks: the octets.
            name: of the file where a directory was named: safe, as ``safe_names`` makes them.

        Raises:
            UsageError: a file is there, or cannot be written.
            LocalDiskError: the disk is full or failing.
        """
        if self._path is None:
            sys.stdout.flush()
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            return
        path = self._path / name if self._path.is_dir() else self._path
        size = save(chunks, path, replace=self._force)
        say(f"{shell_word(str(path))}: {octets(size)}")
