"""Settings of an account as a test needs them, and what an examination found, by topic."""

from pathlib import Path
from typing import Any

from archiver.config import AccountSettings, PasswordSource, ServerUrl
from archiver.verbs.doctor.findings import Examination, Finding, Mark
from archiver.verbs.doctor.mailbox import examine_mailbox
from infra.faulty_pop3 import FaultyPop3

NOW = 1_795_000_000.0
MAIL = [
    (f"u{n}", b"Message-ID: <%d@x>\r\nSubject: %d\r\n\r\n" % (n, n) + b"x" * n + b"\r\n")
    for n in range(5)
]


def account(
    place: Path, port: int, *, password: str = "secret", security: str = "plain", **more: Any
) -> AccountSettings:
    """An account on this machine, whose password lies in a file."""
    file = place / "password"
    file.write_text(password)
    server = ServerUrl("127.0.0.1", port, more.pop("user", "user"), security)
    more = {"timeout": 5.0, **more}
    return AccountSettings("me", server, password=PasswordSource(file=str(file)), **more)


def examined(place: Path, server: FaultyPop3, **more: Any) -> Examination:
    """What is found about the mailbox of a server in this process."""
    return examine_mailbox(account(place, server.port, **more), place / "state", NOW)


def about(examination: Examination, topic: str) -> tuple[Finding, ...]:
    """The findings of a topic."""
    return tuple(one for one in examination.findings if one.topic == topic)


def last(examination: Examination, topic: str) -> Finding:
    """The last finding of a topic."""
    return about(examination, topic)[-1]


def problems(examination: Examination) -> list[str]:
    """The topics of all problems."""
    return [one.topic for one in examination.findings if one.mark is Mark.PROBLEM]
