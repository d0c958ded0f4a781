"""A server that wants time between logins, over several runs of the command."""

import signal
from pathlib import Path

import pytest
from command import PASSWORD, Archiver

from infra.faulty_pop3 import FaultyPop3

MESSAGES = [(f"u{n}", b"Subject: number %d\r\n\r\ntext\r\n" % n) for n in range(310)]


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with the password of the server in this process."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


def options(server: FaultyPop3) -> tuple[str, ...]:
    """The options that name the server, a store and a state directory."""
    url = f"pop3+plain://user@127.0.0.1:{server.port}"
    return ("--server", url, "--password-env", PASSWORD, "--store", "archive", "--state", "s")


def test_every_login_is_late_enough(archiver: Archiver) -> None:
    """Within a run and from run to run, no login comes before the server allows it."""
    with FaultyPop3(MESSAGES, expire=0, login_delay=2, enforces_delay=True) as server:
        first = archiver("run", *options(server), "--json")
        assert first.record["archived"] == len(MESSAGES)
        assert "310 messages remain: 2 sessions 2 s apart" in first.stderr
        second = archiver("run", *options(server), "--json")
        assert second.record["listed"] == 0
        assert server.logins == server.attempts == 4
        assert "2 s have to pass between two logins: waiting " in first.stderr
        assert "2 s have to pass between two logins: waiting " in second.stderr


def test_interrupted_while_it_waits(archiver: Archiver) -> None:
    """Ctrl-C ends a wait at once, at a safe point."""
    with FaultyPop3(MESSAGES[:3], login_delay=3600) as server:
        archiver("run", *options(server))
        process = archiver.start("run", *options(server))
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "3600 s have to pass between two logins: waiting " in line
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "interrupted at a safe point" in stderr
        assert server.sessions == 1


def test_option_wins(archiver: Archiver) -> None:
    """A person's delay stands in the place of the server's."""
    with FaultyPop3(MESSAGES[:3], login_delay=3600) as server:
        archiver("run", *options(server))
        archiver("run", *options(server), "--login-delay", "1")
        assert server.logins == 2
