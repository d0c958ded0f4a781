"""The server that replays a written conversation holds a client to its words."""

import socket
from pathlib import Path

import pytest

from infra.replay import Replay, Step, read_transcript

SCRIPT = """* a comment
S: +OK hello
C: STAT
S: +OK 0 0
S:
C (leaves)
--
S: +OK again
S (hangs up)
"""


@pytest.fixture
def script(tmp_path: Path) -> list[list[Step]]:
    """A transcript of two connections."""
    file = tmp_path / "script.txt"
    file.write_text(SCRIPT)
    return read_transcript(file)


def talk(port: int, say: bytes) -> bytes:
    """All that the server says when it is told this after its greeting."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        heard = connection.recv(1)
        while not heard.endswith(b"\r\n"):
            heard += connection.recv(1)
        if say:
            connection.sendall(say)
            connection.shutdown(socket.SHUT_WR)
        while octets := connection.recv(100):
            heard += octets
    return heard


@pytest.mark.parametrize("single", [False, True])
def test_what_is_written_is_said(single: bool, script: list[list[Step]]) -> None:
    """Each connection gets what was written for it, line for line."""
    lines: list[str] = []
    with Replay(script, single=single, heard=lines.append) as server:
        assert talk(server.port, b"STAT\r\n") == b"+OK hello\r\n+OK 0 0\r\n\r\n"
        assert talk(server.port, b"") == b"+OK again\r\n"
    assert lines == ["STAT", ""]


@pytest.mark.parametrize("say", [b"STAT \r\n", b"stat\r\n", b"STAT\n", b"STAT\r\nQUIT\r\n"])
def test_another_word_is_a_problem(say: bytes, script: list[list[Step]]) -> None:
    """A client that says anything else, or more, is found out."""
    with (
        pytest.raises(AssertionError, match=r"connection 1: .* instead of"),
        Replay(script) as server,
    ):
        talk(server.port, say)
        talk(server.port, b"")


def test_a_missing_connection_is_a_problem(script: list[list[Step]]) -> None:
    """So is a client that never comes, and one that comes too often."""
    with (
        pytest.raises(AssertionError, match="1 connections were never made"),
        Replay(script) as server,
    ):
        talk(server.port, b"STAT\r\n")
    with (
        pytest.raises(AssertionError, match="there is no such connection"),
        Replay([]) as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as connection,
    ):
        assert connection.recv(1) == b""


def test_a_line_of_no_kind(tmp_path: Path) -> None:
    """A transcript with a line that means nothing is refused by its place."""
    file = tmp_path / "bad.txt"
    file.write_text("S: +OK\nX: what\n")
    with pytest.raises(ValueError, match=r"bad\.txt:2"):
        read_transcript(file)
