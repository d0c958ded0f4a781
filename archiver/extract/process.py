"""The process that reads what strangers attached: it has no secrets, and little of everything else.

It hears one line for each file, its kind, finds the octets in one open file, writes the text
into another and answers with a line: ``ok``, or a ``Why``. Its environment is empty, its sockets
and files are only these; memory, processor time and the size of what it writes are limited by the
kernel. Where a file makes it crash or loop, whoever asked starts another process.
"""

import os
import resource
import sys
from collections.abc import Callable
from typing import BinaryIO, Final

from archiver.extract.gathering import Broken, Enough, Gathered
from archiver.extract.kinds import TEXT_LIMIT, Kind, Why

MEMORY_LIMIT: Final = 288 << 20
"""Octets of address space of the process."""

_FILES = 64


def _office(file: BinaryIO, into: Gathered) -> None:
    from archiver.extract.office import read_office

    read_office(file, into)


def _pdf(file: BinaryIO, into: Gathered) -> None:
    from archiver.extract.pdf import read_pdf

    read_pdf(file, into)


def _rtf(file: BinaryIO, into: Gathered) -> None:
    from archiver.extract.rtf import read_rtf

    read_rtf(file, into)


def _zip(file: BinaryIO, into: Gathered) -> None:
    from archiver.extract.listing import read_listing

    read_listing(file, into)


_READERS: Final[dict[Kind, Callable[[BinaryIO, Gathered], None]]] = {
    Kind.OFFICE: _office,
    Kind.PDF: _pdf,
    Kind.RTF: _rtf,
    Kind.ZIP: _zip,
}


def _limit_process() -> None:
    for what, limit in (
        (resource.RLIMIT_AS, MEMORY_LIMIT),
        (resource.RLIMIT_FSIZE, TEXT_LIMIT),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))


def _limit_time(seconds: int) -> None:
    """Gives the next file its processor time; who overstays it is killed by SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _read(kind: Kind, octets: int, text: int) -> str:
    gathered = Gathered()
    # A descriptor of its own, so that no reader can close the one that is used again.
    with os.fdopen(os.dup(octets), "rb") as file:
        file.seek(0)
        try:
            _READERS[kind](file, gathered)
        except Enough:
            pass
        except Broken:
            return Why.BROKEN
        except MemoryError:
            return Why.OUT_OF_MEMORY
        except Exception:  # noqa: BLE001 - whatever a library raises, the file is to blame
            return Why.BROKEN
    os.ftruncate(text, 0)
    os.pwrite(text, gathered.octets(), 0)
    return "ok"


def main() -> None:
    """Serves requests on standard input until it closes; see ``_Process``."""
    octets, text, seconds = map(int, sys.argv[1:])
    _limit_process()
    # Answers go where standard output went; what a library prints goes nowhere.
    answers = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for line in sys.stdin:
        _limit_time(seconds)
        answer = _read(Kind(line.strip()), octets, text)
        os.write(answers, f"{answer}\n".encode())
