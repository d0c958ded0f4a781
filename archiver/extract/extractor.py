"""Text from attachments by a process of its own, which a file may break without harm.

One process serves many files, since starting one costs more than reading most of them. A file
that breaks a process that has read others before is given to a fresh one, so that what is said of
it does not depend on what came before.
"""

import os
import select
import signal
import subprocess
import sys
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, BinaryIO, Final

from archiver.errors import LocalDiskError
from archiver.extract.kinds import TEXT_LIMIT, Kind, Why

CPU_SECONDS: Final = 10
"""Processor time for one file."""

WALL_SECONDS: Final = 30.0
"""Time for one file; what it looks like where neither memory nor processor time run out."""

_START = "from archiver.extract.process import main; main()"
_PATIENCE_SECONDS = 5.0
_CHUNK = 1 << 20
_REMEMBERED = 64
_REMEMBERED_LIMIT = 64 * 1024
_NEEDED = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
_FRESH_HELPS: Final = frozenset({Why.OUT_OF_MEMORY, Why.CRASHED})
_ENDS: Final = _FRESH_HELPS | {Why.OUT_OF_TIME}


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of an attachment, or why there is none."""

    text: str = ""
    why: Why | None = None


class Extractor:
    """Reads attachments, one after the other, for whatever thread asks.

    Args:
        directory: for the files that it shares with its process; they have no names.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = Lock()
        self._process: _Process | None = None
        self._known: OrderedDict[tuple[str, Kind], Extracted] = OrderedDict()

    def read(self, digest: str, kind: Kind, octets: BinaryIO) -> Extracted:
        """The text of an attachment.

        Args:
            digest: SHA-256 of its octets; what many messages carry is read once.
            kind: how it is read.
            octets: seekable, at most ATTACHMENT_LIMIT.

        Raises:
            LocalDiskError: there is no room for a copy of the octets.
        """
        with self._lock:
            found = self._known.pop((digest, kind), None) or self._read(kind, octets)
            if len(found.text) <= _REMEMBERED_LIMIT:
                self._known[digest, kind] = found
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
            return found

    def _read(self, kind: Kind, octets: BinaryIO) -> Extracted:
        fresh = self._process is None
        found = self._attempt(kind, octets)
        if not fresh and found.why in _FRESH_HELPS:
            found = self._attempt(kind, octets)
        return found

    def _attempt(self, kind: Kind, octets: BinaryIO) -> Extracted:
        try:
            if self._process is None:
                self._process = _Process(self._directory)
            found = self._process.read(kind, octets)
        except OSError as error:
            self._end()
            raise LocalDiskError(
                f"cannot hand an attachment to its reader in {self._directory}: {error.strerror}",
                hint="free space or mend the disk, then run again; nothing is lost",
            ) from error
        except BaseException:
            self._end()
            raise
        if found.why in _ENDS:
            self._end()
        return found

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def close(self) -> None:
        """Ends the process, if there is one."""
        with self._lock:
            self._end()


class _Process:
    def __init__(self, directory: Path) -> None:
        self._octets: IO[bytes] = TemporaryFile(dir=directory)  # noqa: SIM115 - end() closes it
        self._text: IO[bytes] = TemporaryFile(dir=directory)  # noqa: SIM115 - as above
        files = (self._octets.fileno(), self._text.fileno())
        # -P: nothing is imported from where the process happens to start.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, *map(str, (*files, CPU_SECONDS))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=files,
            env={name: os.environ[name] for name in _NEEDED if name in os.environ},
            cwd="/",
            start_new_session=True,
        )

    def read(self, kind: Kind, octets: BinaryIO) -> Extracted:
        self._hand_over(octets)
        answer = self._ask(f"{kind}\n".encode())
        if answer != "ok":
            return Extracted(why=Why(answer))
        text = os.pread(self._text.fileno(), TEXT_LIMIT, 0)
        return Extracted(text.decode("utf-8", "ignore"))

    def _hand_over(self, octets: BinaryIO) -> None:
        self._octets.seek(0)
        self._octets.truncate()
        octets.seek(0)
        while chunk := octets.read(_CHUNK):
            self._octets.write(chunk)
        self._octets.flush()

    def _ask(self, line: bytes) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line)
        except BrokenPipeError:
            # It died after its last answer, for no fault of this file.
            return Why.CRASHED
        ready, _, _ = select.select([self._process.stdout], [], [], WALL_SECONDS)
        if not ready:
            return Why.OUT_OF_TIME
        answer = self._process.stdout.readline().decode("ascii", "replace").strip()
        if answer == "ok" or answer in set(Why):
            return answer
        return Why.OUT_OF_TIME if self._ended_by() == signal.SIGXCPU else Why.CRASHED

    def _ended_by(self) -> int:
        """The signal that ended the process, 0 where it goes on."""
        with suppress(subprocess.TimeoutExpired):
            return -self._process.wait(_PATIENCE_SECONDS)
        return 0

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._octets, self._text):
            if stream is not None:
                stream.close()
