"""What tests of restoring share: an archive, an IMAP account on a real server, and a look into it.

The account is read by imaplib alone, in the clear and over loopback, so that nothing that restores
also says what arrived.
"""

import imaplib
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from email.utils import formatdate
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from command import PASSWORD, Archiver, Done

from archiver.cli.app import main
from infra.dovecot_imap import DovecotImap

SECRET = "correct horse"
_users = count(1)
_YEAR = 31_557_600
_EPOCH = 1_500_000_000


def letter(number: int, size: int = 200) -> bytes:
    """A message as most are; a year after the one before the last four."""
    head = (
        f"From: Anna <anna{number}@example.org>\r\nTo: b@example.net\r\n"
        f"Subject: letter {number}\r\nMessage-ID: <l{number}@example.org>\r\n"
        f"Date: {formatdate(_EPOCH + number // 4 * _YEAR)}\r\n\r\n"
    ).encode()
    line = b"line %d of many that are all alike\r\n" % number
    return head + line * (size // len(line))


ODD = (
    b"Subject: no date and no id\r\n\r\nx\r\n",
    b"Subject: eight \xe4\xff bits\r\n\r\n\xe4\xf6\xfc\r\n",
    b"From: a@b.example\r\nDate: Mon, 1 Jan 2018 10:00:00 +0100\r\n\r\nlone CR \r in a line\r\n",
    b"From: a@b.example\r\nMessage-ID: <dot@b.example>\r\n\r\n.\r\n..two\r\n\r\n\r\n",
    letter(400, 300_000),
)
"""Messages that are not as most are, which a server stores all the same as they are."""


@dataclass(frozen=True, slots=True)
class Account:
    """An IMAP account that one test alone uses."""

    server: DovecotImap
    user: str

    def url(self, folder: str, scheme: str = "imap+plain", port: int = 0) -> str:
        """The URL of a folder; ``port`` where it is not the server's own."""
        own = self.server.imaps_port if scheme == "imaps" else self.server.imap_port
        return f"{scheme}://{quote(self.user)}@127.0.0.1:{port or own}/{folder}"

    @contextmanager
    def looking(self) -> Iterator[imaplib.IMAP4]:
        """A session of somebody else."""
        with imaplib.IMAP4("127.0.0.1", self.server.imap_port) as session:
            session.login(self.user, SECRET)
            yield session

    def folders(self) -> dict[str, list[bytes]]:
        """Every folder with the octets of its messages, in the order of their UIDs."""
        with self.looking() as session:
            _, listed = session.list()
            names = [
                match[1]
                for line in listed
                if isinstance(line, bytes) and b"\\Noselect" not in line
                if (match := re.fullmatch(rb'\(.*\) "." "?(.+?)"?', line))
            ]
            found = {name.decode(): _octets(session, name) for name in sorted(names)}
        return {name: octets for name, octets in found.items() if octets or name != "INBOX"}

    def everything(self) -> Counter[bytes]:
        """How often each message is in the account."""
        return Counter(octets for folder in self.folders().values() for octets in folder)


def _octets(session: imaplib.IMAP4, name: bytes) -> list[bytes]:
    _, (number, *_) = session.select(f'"{name.decode()}"', readonly=True)
    if not int(number or b"0"):
        return []
    _, answers = session.fetch("1:*", "(BODY.PEEK[])")
    return [answer[1] for answer in answers if isinstance(answer, tuple)]


def account_on(server: DovecotImap) -> Account:
    """An empty account."""
    made = Account(server, f"restore{next(_users)}")
    server.add_user(made.user, SECRET)
    return made


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive with its state, in a directory."""

    home: Path
    messages: tuple[bytes, ...]

    def copy(self, home: Path) -> "Restorer":
        """The same again for one test, in an existing directory."""
        shutil.copytree(self.home / "state", home / "state")
        return Restorer(self, Archiver(home, {PASSWORD: SECRET}), home / "state")


class Restorer:
    """Runs ``archiver restore`` over a copy of an archive's state."""

    def __init__(self, archive: Archive, archiver: Archiver, state: Path) -> None:
        self.archive = archive
        self.archiver = archiver
        self.state = state

    def arguments(self, *arguments: object) -> list[object]:
        """Those of a whole command."""
        store = self.archive.home / "mail"
        given = ["--state", self.state, "--store", store, "--password-env", PASSWORD]
        return ["restore", *arguments, *given]

    def __call__(self, *arguments: object, code: int = 0) -> Done:
        """Runs it to its end, in this process: to start another one takes longer than it does."""
        done = _called([str(each) for each in self.arguments(*arguments)], self.archiver)
        assert done.code == code, f"exit {done.code} for {arguments}:\n{done.stderr}\n{done.stdout}"
        return done

    def records(self, *arguments: object, code: int = 0) -> list[dict[str, Any]]:
        """The same with ``--json``."""
        return self(*arguments, "--json", code=code).records


def _called(arguments: list[str], archiver: Archiver) -> Done:
    stdout, stderr = StringIO(), StringIO()
    surroundings = {**os.environ, **archiver.environment, "HOME": str(archiver.home)}
    with (
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        chdir(archiver.home),
        patch.dict(os.environ, surroundings),
        patch.object(sys, "argv", ["archiver", *arguments]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return Done(int(ended.value.code or 0), stdout.getvalue(), stderr.getvalue())


def archived(
    server: DovecotImap, home: Path, messages: Iterable[bytes], *more: Iterable[bytes]
) -> Archive:
    """Archives messages from a mailbox, and others from further ones."""
    every: list[bytes] = []
    archiver = Archiver(home, {PASSWORD: SECRET})
    for each in (messages, *more):
        box = account_on(server)
        given = list(each)
        server.add(box.user, given)
        every += given
        archiver(
            *("run", "--server", f"pop3+plain://{box.user}@127.0.0.1:{server.port}"),
            *("--store", home / "mail", "--state", home / "state", "--password-env", PASSWORD),
        )
    return Archive(home, tuple(every))
