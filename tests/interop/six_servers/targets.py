"""The six servers, each over every kind of mailbox that it has here, and how we speak with them."""

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from command import PASSWORD
from observed import Column, Observed

from archiver.errors import ServerUnavailable
from archiver.model import Listed
from archiver.pop3 import (
    Chunk,
    Credentials,
    Event,
    Limits,
    Pipelining,
    Refused,
    Security,
    Server,
    Session,
    Started,
)
from infra.fixtures import PopMailbox, PopServer
from infra.mailutils import Mailutils

RUN = ("run", "--workers", "1", "--json")
"""A run whose report can be read."""

ACCOUNT = "box"
"""The account that ``write_settings`` names."""

WINDOW = 32
"""How many commands our sessions send ahead of answers."""

_PATIENCE_SECONDS = 20.0
# What Mailutils takes for a message: a header of whole lines, and an empty one behind it.
_WITH_HEADER = re.compile(rb"[^\n:]+:([^\n]*[^\r\n]\n)+\n")


@dataclass(frozen=True, slots=True)
class Target:
    """A server over one kind of mailbox.

    Attributes:
        row: what the table calls it.
        fixture: what starts it.
        stable: whether a message is the same octets in each session.
    """

    row: str
    fixture: str
    stable: bool = True


TARGETS = (
    Target("Dovecot 2.3, maildir", "every_sign_in"),
    Target("Courier 1.0, maildir", "courier"),
    Target("Cyrus 3.6", "cyrus"),
    Target("popa3d 1.0.3, mbox", "popa3d"),
    Target("solid-pop3d 0.15, maildir", "solid_pop3d"),
    Target("solid-pop3d 0.15, mbox", "solid_pop3d_mbox"),
    Target("Mailutils 3.15, maildir", "mailutils"),
    Target("Mailutils 3.15, mbox", "mailutils_mbox", stable=False),
)
"""The rows of the table."""

_MARKERS = {
    "every_sign_in": "dovecot",
    "solid_pop3d_mbox": "solid_pop3d",
    "mailutils_mbox": "mailutils",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A server to try, an empty mailbox of it for one test, and where to note what is seen."""

    target: Target
    box: PopMailbox
    observed: Observed

    @property
    def server(self) -> PopServer:
        """The server."""
        return self.box.server

    def saw(self, column: Column, words: str) -> None:
        """Notes something for a cell of the table."""
        cell = self.observed.cells[self.target.row, column]
        if words not in cell:
            cell.append(words)

    def explain(self, words: str) -> None:
        """Notes something for below the table."""
        self.observed.notes[self.target.row].append(words)


STABLE = tuple(target.fixture for target in TARGETS if target.stable)
"""The servers whose messages are the same octets in each session."""


def params(*fixtures: str) -> list[object]:
    """The targets that these fixtures start, or all of them, as parameters of ``subject``."""
    return [
        pytest.param(
            target,
            id=target.fixture,
            marks=getattr(pytest.mark, _MARKERS.get(target.fixture, target.fixture)),
        )
        for target in TARGETS
        if not fixtures or target.fixture in fixtures
    ]


def on(*fixtures: str) -> pytest.MarkDecorator:
    """Has a test try these servers alone."""
    return pytest.mark.parametrize("subject", params(*fixtures), indirect=True)


def holds(server: PopServer, message: bytes) -> bool:
    """Whether a mailbox of the server can have such a message and serve it whole.

    What becomes of the others is in ``test_six_damage``.
    """
    if server.name == "cyrus":
        return message != b"" and b"\0" not in message
    if server.name == "mailutils":
        return _WITH_HEADER.match(message) is not None
    # These two do not double a dot that begins a message.
    return server.name not in ("Dovecot", "courier") or not message.startswith(b".")


def held(server: PopServer, corpus: Mapping[str, bytes]) -> list[bytes]:
    """The messages of a corpus that a mailbox of the server can have."""
    return [message for message in corpus.values() if holds(server, message)]


def expected(server: PopServer, messages: Iterable[bytes]) -> list[bytes]:
    """What RETR ought to give for these, by what is known of the server's storage."""
    return [server.served(message) for message in messages]


def plain(server: PopServer, octets: bytes) -> bytes:
    """What was retrieved, without what the server adds to mail of its own accord."""
    return server.without_additions(octets) if isinstance(server, Mailutils) else octets


def opened(
    box: PopMailbox,
    security: Security = Security.PLAIN,
    *,
    pipelining: Pipelining = Pipelining.AUTO,
    port: int | None = None,
) -> Session:
    """A session that was greeted, and not signed in."""
    server = box.server
    own_port = server.tls_port if security is Security.TLS else server.port
    ca_file = str(server.ca_file) if server.ca_file else None
    place = Server("127.0.0.1", port or own_port or 0, security, ca_file)
    return Session.open(place, Limits(pipelining=pipelining, window_commands=WINDOW))


def signed_in(
    box: PopMailbox,
    security: Security = Security.PLAIN,
    *,
    pipelining: Pipelining = Pipelining.AUTO,
    port: int | None = None,
) -> Session:
    """A session that is signed in as the program does it, UTF8 included."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        session = opened(box, security, pipelining=pipelining, port=port)
        try:
            session.sign_in(Credentials(box.user, box.password), utf8=session.capabilities.utf8)
        except ServerUnavailable as error:
            # Mailutils needs a moment to notice that the session before is over.
            if error.code != "IN-USE" or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return session


def listing(session: Session) -> list[Listed]:
    """The messages of a session, with what UIDL and LIST say of them."""
    uidls = dict(session.uidls())
    return [Listed(number, uidls[number], size) for number, size in session.sizes()]


def octets(events: Iterable[Event]) -> list[bytes]:
    """The messages that the events bring, none of them refused."""
    whole: list[bytearray] = []
    for event in events:
        assert not isinstance(event, Refused), event
        if isinstance(event, Started):
            whole.append(bytearray())
        elif isinstance(event, Chunk):
            whole[-1] += event.octets
    return [bytes(message) for message in whole]


def write_settings(home: Path, box: PopMailbox, port: int | None = None, **more: object) -> None:
    """An archiver.toml that archives a mailbox into a directory beside it.

    Args:
        home: where to write it.
        box: the mailbox; its password is to be in the environment.
        port: where it is to be reached, other than at the server's own port.
        more: further settings of the account.
    """
    settings = {
        "server": f"pop3+plain://{quote(box.user)}@127.0.0.1:{port or box.server.port}",
        "password_env": PASSWORD,
        # Courier says 10 seconds and enforces none.
        "login_delay": 0.001,
        **more,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    head = f'state = "s"\n[store]\nurl = "archive"\n[accounts.{ACCOUNT}]\n'
    (home / "archiver.toml").write_text(head + "\n".join(lines) + "\n")


def archived(root: Path) -> list[bytes]:
    """The messages that a directory holds, in the order of their octets."""
    mail = root / "mail" / ACCOUNT
    return sorted(file.read_bytes() for file in mail.rglob("*.eml"))
