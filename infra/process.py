"""Server processes: found on this machine, started, waited for, stopped.

A server is started in the foreground as our own child, so that its pid is known from the start
and no daemon can outlive the test that needed it. Its output goes to a file, whose end is shown
when it does not come up.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_POLL_SECONDS = 0.02
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_TAIL_OCTETS = 2000


Server = subprocess.Popen[bytes]
"""A server that runs as our child."""


class ServerMissing(Exception):
    """A real server cannot be had on this machine.

    Args:
        server: the name by which a skipped test is listed.
        reason: why, and what would change it.
    """

    def __init__(self, server: str, reason: str) -> None:
        """Takes the server's name and the reason apart and says both."""
        super().__init__(f"{server}: {reason}")
        self.server = server
        self.reason = reason


class ServerFailed(Exception):
    """A server that is installed did not come up or did not do what it was told."""


def find(server: str, program: str, package: str) -> str:
    """The path of ``program``, which Debian's ``package`` brings.

    Raises:
        ServerMissing: it is not installed.
    """
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") or shutil.which(program)
    if path is None:
        raise ServerMissing(server, f"{program} is not installed (Debian package {package})")
    return path


def free_ports(count: int) -> list[int]:
    """That many different TCP ports that nobody listens on at 127.0.0.1."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(arguments: Sequence[str], output: Path) -> Server:
    """Starts a server in the foreground, in a session of its own, writing into ``output``.

    The kernel ends it should we end without having stopped it; Dovecot's children then end too.
    """
    with output.open("ab") as sink:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            # An interrupt at the terminal reaches the tests first; they stop the server.
            start_new_session=True,
        )


def stop(process: Server) -> None:
    """Asks the process to end, and ends it when it does not; returns once it is gone."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        kill(process)


def kill(process: Server) -> None:
    """Ends the process at once; returns once it is gone."""
    process.kill()
    process.wait()


def wait_until(ready: Callable[[], bool], what: str, process: Server, output: Path) -> None:
    """Waits until ``ready`` says so.

    Raises:
        ServerFailed: the process ended before, or 30 s passed; with the end of ``output``.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise ServerFailed(f"{what} ended with {process.returncode}:\n{tail(output)}")
        if time.monotonic() > deadline:
            raise ServerFailed(f"{what} did not come up in {_START_SECONDS:.0f} s:\n{tail(output)}")
        time.sleep(_POLL_SECONDS)


def answers(port: int) -> bool:
    """Whether somebody accepts connections at that port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def tail(file: Path) -> str:
    """The end of a log, for a failure's message."""
    return file.read_bytes()[-_TAIL_OCTETS:].decode(errors="replace") if file.exists() else ""
