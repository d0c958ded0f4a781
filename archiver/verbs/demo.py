"""A mailbox to try the archiver on: a POP3 server on loopback with invented mail.

The server is a child process (``demo_pop3`` says why), without TLS, on a port that was free.
"""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from archiver.errors import ServerUnavailable, UsageError
from archiver.verbs.demo_mail import demo_messages

_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DemoServer:
    """Where the mailbox is, who may read it, and the octets of what it held at the start."""

    port: int
    user: str
    password: str
    messages: tuple[bytes, ...]


@contextmanager
def demo_server(messages: Sequence[bytes] | None = None) -> Iterator[DemoServer]:
    """Serves ``messages``, or the demonstration's own, at 127.0.0.1 until the block ends.

    Raises:
        UsageError: Twisted, which it is built with, is not installed.
        ServerUnavailable: it did not start.
    """
    if find_spec("twisted") is None:
        raise UsageError(
            "the demonstration needs Twisted, which is not installed",
            hint="pip install 'pop3-archiver[demo]'",
        )
    held = demo_messages() if messages is None else tuple(messages)
    process = subprocess.Popen(
        [sys.executable, "-m", "archiver.verbs.demo_pop3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # An interrupt at the terminal is for us; the server ends when we do.
        start_new_session=True,
    )
    try:
        yield DemoServer(_hand_over(process, held), "demo", "demo", held)
    finally:
        _stop(process)


def _hand_over(process: subprocess.Popen[str], messages: Sequence[bytes]) -> int:
    """Gives the server its messages, and returns the port it answers with."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([b64encode(each).decode() for each in messages]) + "\n")
    process.stdin.flush()
    port = process.stdout.readline()
    if not port:
        raise ServerUnavailable("the demonstration's server did not start")
    return int(port)


def _stop(process: subprocess.Popen[str]) -> None:
    # The end of its input is what ends the server.
    with process:
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
