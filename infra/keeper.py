"""Keeps a server that splits into many processes: they all end with the keeper, and it with us.

A parent's death signal reaches one process, and the kernel forgets it where that process changes
its user. So the server is started by a keeper, this module run as a program, whom its standard
input tells that we are gone; it adopts every process that the server leaves behind (prctl(2),
PR_SET_CHILD_SUBREAPER), and is itself gone only once none of them is left.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

import psutil

from infra.process import Server

_CHECKOUT = Path(__file__).resolve().parent.parent
_ADOPT_ORPHANS = 36


def start(arguments: Sequence[str], output: Path) -> Server:
    """Starts a server in the foreground below a keeper, writing into ``output``.

    What is returned is the keeper; it ends when the server does.
    """
    with output.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "infra.keeper", *arguments],
            cwd=_CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            # An interrupt at the terminal reaches the tests first; they stop the server.
            start_new_session=True,
        )


def stop(keeper: Server) -> None:
    """Ends the server and every process that came of it; returns once they are gone."""
    assert keeper.stdin is not None
    keeper.stdin.close()
    keeper.wait()


def _keep(arguments: Sequence[str]) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
    server = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
    Thread(target=_end_at_the_end_of_input, args=(server,), daemon=True).start()
    server.wait()
    _end_the_rest()


def _end_at_the_end_of_input(server: Server) -> None:
    # Not through sys.stdin, whose lock would be held while the interpreter shuts down.
    while os.read(0, 1):
        pass
    server.kill()


def _end_the_rest() -> None:
    """Ends and takes note of every descendant: those of one that ended become our children."""
    ourselves = psutil.Process()
    while True:
        for process in ourselves.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    _keep(sys.argv[1:])
