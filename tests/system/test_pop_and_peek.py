"""``archiver pop`` and ``archiver peek`` as a person runs them, against a real Dovecot."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import pytest
from command import PASSWORD, Archiver, account_of, one_clear_line, source

from infra.fixtures import Mailbox

LETTER = (
    b"From: Jane <jane@example.com>\nDate: Tue, 02 Jan 2024 10:00:00 +0000\n"
    b"Subject: signed contract\nMessage-ID: <%d@example.com>\n\n.hello\n"
)
SECONDS = 30


def letters(count: int) -> list[bytes]:
    """So many messages, no two alike."""
    return [LETTER % number for number in range(count)]


def as_sent(letter: bytes) -> bytes:
    """A letter as its server sends it."""
    return letter.replace(b"\n", b"\r\n")


def test_a_script(archiver: Archiver, mailbox: Mailbox, tmp_path: Path) -> None:
    """Commands of a script are answered on stdout, over TLS, and a file holds exact octets."""
    mailbox.add(letters(3))
    place = source(mailbox, "pop3s")
    done = archiver(
        *("pop", *place, "--exec", "stat", "--exec", "uidl 2", "--exec", "top 1 0"),
        *("--exec", "retr 3 > three.eml", "--exec", "dele 1"),
    )
    size = len(as_sent(LETTER % 0))
    stat, uidl, *header = done.stdout.splitlines()
    assert stat == f"3 {3 * size}"
    assert re.fullmatch(r"2 \S+", uidl)
    assert "Subject: signed contract" in header
    assert (tmp_path / "three.eml").read_bytes() == as_sent(LETTER % 2)
    assert "nothing is deleted" in done.stderr
    assert len(mailbox.left()) == 3


def test_json(archiver: Archiver, mailbox: Mailbox) -> None:
    """Each command is an object, and a refusal of the server's exit code 5, in its words."""
    mailbox.add(letters(1))
    done = archiver(
        *("pop", *source(mailbox), "--json", "--exec", "LIST", "--exec", "LIST 9"), code=5
    )
    listing, refused = done.records
    assert listing["command"] == "LIST"
    assert listing["lines"] == [f"1 {len(as_sent(LETTER % 0))}"]
    assert refused["ok"] is False
    assert refused["text"]
    assert refused["text"] in one_clear_line(done)


def test_deleting_needs_a_word(archiver: Archiver, mailbox: Mailbox) -> None:
    """QUIT behind DELE deletes with --yes alone."""
    mailbox.add(letters(3))
    commands = ("pop", *source(mailbox), "--exec", "dele 2", "--exec", "quit")
    done = archiver(*commands, code=2)
    assert one_clear_line(done) == "QUIT deletes 1 message for good: 2"
    assert len(mailbox.left()) == 3
    archiver(*commands, "--yes")
    assert mailbox.left() == [LETTER % 0, LETTER % 2]


@pytest.mark.parametrize("line", ["RETR", "USER me", "EXPUNGE"])
def test_what_cannot_be_said(line: str, archiver: Archiver, mailbox: Mailbox) -> None:
    """A command that cannot be sent is a mistake of the person's, and nobody is connected to."""
    one_clear_line(archiver("pop", *source(mailbox), "--exec", line, code=2))


def test_no_terminal(archiver: Archiver, mailbox: Mailbox) -> None:
    """Without a terminal and without commands there is nothing to do."""
    assert "terminal" in one_clear_line(archiver("pop", *source(mailbox), code=2))


def test_wrong_password(archiver: Archiver, mailbox: Mailbox) -> None:
    """A refused login is exit code 4 for both."""
    wrong = {PASSWORD: "wrong"}
    for verb in (("pop", "--exec", "STAT"), ("peek",)):
        archiver(*verb, *source(mailbox), code=4, environment=wrong)


def plain(shown: str) -> str:
    """What is shown without the sequences that move and colour it."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


class Terminal:
    """``archiver pop`` at a terminal."""

    def __init__(self, archiver: Archiver, mailbox: Mailbox) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "archiver", "pop", *source(mailbox, "pop3s"), "--state", "s"],
            cwd=archiver.home,
            env={**os.environ, **archiver.environment, "HOME": str(archiver.home), "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def expect(self, text: str) -> None:
        """Waits until this is shown, and forgets it and what was before it."""
        deadline = time.monotonic() + SECONDS
        while text not in plain(self.shown):
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} is not in {self.shown!r}"
            if not select.select([self._ours], [], [], left)[0]:
                continue
            try:
                octets = os.read(self._ours, 65536)
            except OSError:
                octets = b""
            assert octets, f"ended without {text!r}: {self.shown!r}"
            if b"\x1b[6n" in octets:
                # A terminal says where its cursor is when it is asked.
                os.write(self._ours, b"\x1b[1;1R")
            self.shown += octets.decode("utf-8", "replace")
        self.shown = plain(self.shown).partition(text)[2]

    def type(self, keys: str) -> None:
        """Types."""
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        """Waits for the end and says how it was."""
        return self.process.wait(SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


def test_a_person_at_a_terminal(archiver: Archiver, mailbox: Mailbox, tmp_path: Path) -> None:
    """A person talks, completes a command, is asked before QUIT deletes, and is remembered."""
    mailbox.add(letters(2))
    with Terminal(archiver, mailbox) as terminal:
        terminal.expect("S: +OK")
        terminal.expect("C: AUTH PLAIN ****")
        terminal.expect("pop3>")
        terminal.type("sta\t\r")
        terminal.expect("C: STAT")
        terminal.expect("S: +OK 2 ")
        terminal.type("pass open sesame\r")
        terminal.expect("PASS belongs before signing in")
        terminal.type("dele 1\r")
        terminal.expect("C: DELE 1")
        terminal.type("quit\r")
        terminal.expect("QUIT deletes 1 message for good: 1. Type yes:")
        terminal.type("yes\r")
        terminal.expect("C: QUIT")
        terminal.expect("S: +OK")
        assert terminal.end() == 0
    assert mailbox.left() == [LETTER % 1]
    history = tmp_path / "s" / "pop-history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert "+dele 1" in history.read_text()
    assert "open sesame" not in history.read_text()


@pytest.mark.parametrize(("key", "code"), [("\x04", 0), ("\x03", 130)])
def test_leaving_the_prompt(key: str, code: int, archiver: Archiver, mailbox: Mailbox) -> None:
    """Ctrl-D and Ctrl-C leave without QUIT, and nothing is deleted."""
    mailbox.add(letters(1))
    with Terminal(archiver, mailbox) as terminal:
        terminal.expect("pop3>")
        terminal.type("dele 1\r")
        terminal.expect("C: DELE 1")
        terminal.expect("pop3>")
        terminal.type(key)
        terminal.expect("nothing is deleted")
        assert terminal.end() == code
    assert len(mailbox.left()) == 1


def test_peek(archiver: Archiver, mailbox: Mailbox) -> None:
    """What waits is listed with what is new against the ledger, and a script can ask for that."""
    mailbox.add(letters(3))
    place = (*source(mailbox, "pop3s"), "--state", "s")
    assert archiver("peek", *place, "--new").stdout == "3 new of 3\n"
    lines = archiver("peek", *place, "--limit", "2").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["2", "N"], ["3", "N"]]
    assert "2024-01-02 10:00  Jane " in lines[0]
    assert lines[0].endswith("  signed contract")
    archiver("run", *place, "--store", "archive")
    done = archiver("peek", *place, "--new", code=9)
    assert done.stdout == "0 new of 3\n"
    mailbox.add([b"Subject: \x1b[2Jnew\n\n"])
    done = archiver("peek", *place)
    assert "\x1b" not in done.stdout
    assert [line.split()[1] == "N" for line in done.stdout.splitlines()] == [False] * 3 + [True]
    *_, last = archiver("peek", *place, "--json").records
    assert (last["number"], last["new"], last["date"], last["from"]) == (4, True, None, None)
    counted = archiver("peek", *place, "--new", "--json").record
    assert counted == {"account": account_of(mailbox), "new": 1, "total": 4}
    assert len(mailbox.left()) == 4


def test_an_account_of_the_file(archiver: Archiver, mailbox: Mailbox, tmp_path: Path) -> None:
    """Both take an account of archiver.toml by its name, and the only one without."""
    (tmp_path / "archiver.toml").write_text(
        f'state = "s"\n[store]\nurl = "archive"\n[accounts.work]\n'
        f'server = "pop3+plain://{mailbox.user}@127.0.0.1:{mailbox.port}"\n'
        f'password_env = "{PASSWORD}"\n'
    )
    mailbox.add(letters(1))
    assert archiver("peek", "work", "--new").stdout == "1 new of 1\n"
    assert archiver("pop", "--exec", "STAT").stdout.startswith("1 ")
    assert "no account other" in one_clear_line(archiver("peek", "other", code=2))
