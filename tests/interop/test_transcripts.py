"""Conversations with providers that cannot be had on one's own machine, replayed word by word.

The files in ``transcripts`` say which of their lines were seen in public, and which follow from an
RFC. Each is served whole and octet by octet.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archiver.cli.progress import reporter
from archiver.config import AccountSettings, PasswordSource, ServerUrl, Settings, StoreSettings
from archiver.errors import LoginRefused, ServerRefused
from archiver.pipeline import Verb, run
from archiver.pop3 import AccessToken, Credentials, Limits, Security, Server, Session
from archiver.stopping import Stop
from infra.replay import Replay, read_transcript

TRANSCRIPTS = Path(__file__).parent / "transcripts"

pytestmark = pytest.mark.parametrize("single", [False, True], ids=["whole", "single octets"])


def replay(name: str, *, single: bool, heard: Callable[[str], None] = lambda _: None) -> Replay:
    """A server that says what is written."""
    return Replay(read_transcript(TRANSCRIPTS / f"{name}.txt"), single=single, heard=heard)


def archive(server: Replay, tmp_path: Path) -> Any:
    """One run of the whole pipeline into a directory; its report."""
    (tmp_path / "password").write_text("secret")
    account = AccountSettings(
        "me",
        ServerUrl("127.0.0.1", server.port, "me@example.com", "plain"),
        password=PasswordSource(file=str(tmp_path / "password")),
        login_delay=0.0,
        reconnects=0,
        timeout=10.0,
    )
    settings = Settings(
        (account,), StoreSettings(str(tmp_path / "archive")), state=str(tmp_path / "s"), workers=1
    )
    outcome = run(settings, Verb.RUN, reporter=reporter(quiet=True), stop=Stop())
    assert not outcome.errors, (outcome.errors, server.problems)
    (report,) = outcome.reports
    return report


def stored(tmp_path: Path) -> list[bytes]:
    """The messages that a manifest names, as they lie in the store."""
    records: list[dict[str, Any]] = []
    for manifest in sorted((tmp_path / "archive").rglob("*.jsonl.gz")):
        _, *rest = map(json.loads, gzip.decompress(manifest.read_bytes()).splitlines())
        records += (record for record in rest if record["kind"] == "archived")
    keys = [record["raw"]["key"] for record in records]
    files = sorted((tmp_path / "archive").rglob("*.eml"))
    assert len(files) == len(keys), "something is stored twice, or by nobody's name"
    return [(tmp_path / "archive" / key).read_bytes() for key in keys]


class Tokens:
    """Gives a token that is refused, and then one that is not."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    def __call__(self, *, refused: bool = False) -> str:
        self.asked.append(refused)
        return "fresh-token" if refused else "stale-token"


def talk(server: Replay, token: AccessToken | None = None) -> Session:
    """A session that is signed in, with a password unless there is a token."""
    session = Session.open(Server("127.0.0.1", server.port, Security.PLAIN), Limits(10.0, 10.0))
    password = "secret" if token is None else None
    session.sign_in(Credentials("me@example.com", password, token=token, cleartext=True))
    return session


def test_gmail(single: bool, tmp_path: Path) -> None:
    """Gmail's window is followed over sessions, and QUIT comes when all of it is archived."""
    retrieved = 0

    def heard(line: str) -> None:
        nonlocal retrieved
        retrieved += line.startswith("RETR")
        if line == "QUIT":
            assert len(stored(tmp_path)) == retrieved

    with replay("gmail", single=single, heard=heard) as server:
        report = archive(server, tmp_path)
    assert (report.listed, report.fetched, report.archived) == (3, 3, 3)
    assert b"\r\n\r\n.dotted\r\n" in stored(tmp_path)[1]


def test_gmail_without_pop(single: bool) -> None:
    """A mailbox without POP is refused after login, in words that are handed on."""
    with replay("gmail-no-pop", single=single) as server, talk(server) as session:
        with pytest.raises(ServerRefused, match="not enabled for POP access") as caught:
            session.stat()
        assert caught.value.code == "SYS/PERM"


def test_gmail_with_a_wrong_password(single: bool) -> None:
    """A refusal with a code is final: no second way is tried, and the hint names app passwords."""
    with (
        replay("gmail-wrong-password", single=single) as server,
        pytest.raises(LoginRefused, match="not accepted") as caught,
    ):
        talk(server)
    assert "app password" in caught.value.hint


def test_gmail_with_a_stale_token(single: bool) -> None:
    """A refused token is renewed once, in the same session."""
    tokens = Tokens()
    with replay("gmail-token", single=single) as server, talk(server, tokens) as session:
        assert session.mechanism == "xoauth2"
        session.quit()
    assert tokens.asked == [False, True]


def test_exchange_with_a_token(single: bool) -> None:
    """Exchange gets a token in two steps."""
    with (
        replay("exchange-token", single=single) as server,
        talk(server, lambda *, refused=False: "fresh-token") as session,
    ):
        assert session.stat() == (0, 0)
        session.quit()


def test_exchange_with_refused_tokens(single: bool) -> None:
    """When a renewed token is refused too it is over, and the error says nothing of either."""
    with (
        replay("exchange-refused-token", single=single) as server,
        pytest.raises(LoginRefused, match="unknown user name") as caught,
    ):
        talk(server, Tokens())
    assert "token" not in caught.value.message.replace("access token", "")
    assert "401" in caught.value.message


def test_exchange_without_passwords(single: bool) -> None:
    """Where passwords are switched off, that is what is said."""
    with (
        replay("exchange-basic-off", single=single) as server,
        pytest.raises(LoginRefused, match="Basic authentication is disabled"),
    ):
        talk(server)


def test_exchange_sizes(single: bool, tmp_path: Path) -> None:
    """Sizes that are wrong, and change, neither cut a message short nor fetch it again."""
    with replay("exchange-sizes", single=single) as server:
        first, second, third = (archive(server, tmp_path) for _ in range(3))
    assert (first.fetched, second.fetched, third.fetched) == (2, 0, 0)
    assert (second.known, third.known) == (2, 2)
    assert [len(message) for message in stored(tmp_path)] == [51, 51]


def test_exchange_moved(single: bool, tmp_path: Path) -> None:
    """After a move that renews every UIDL only what is new is fetched, and nothing stored twice."""
    with replay("exchange-moved", single=single) as server:
        first, second, third = (archive(server, tmp_path) for _ in range(3))
    assert (first.fetched, second.fetched, third.fetched) == (2, 1, 0)
    assert (second.listed, second.linked + second.known, third.known) == (3, 2, 3)
    assert len(stored(tmp_path)) == 3


def test_zimbra_moved(single: bool, tmp_path: Path) -> None:
    """The same for Zimbra, whose UIDLs begin with a number that a move renews."""
    with replay("zimbra-moved", single=single) as server:
        first, second, third = (archive(server, tmp_path) for _ in range(3))
    assert (first.fetched, second.fetched, third.fetched) == (2, 0, 0)
    assert (second.linked + second.known, third.known) == (2, 2)
    assert len(stored(tmp_path)) == 2


def test_gmx(single: bool, tmp_path: Path) -> None:
    """Words of a server's own behind +OK are for people, and change nothing."""
    with replay("gmx", single=single) as server:
        report = archive(server, tmp_path)
    assert (report.listed, report.fetched) == (2, 2)


def test_every_transcript_is_replayed(single: bool) -> None:
    """No transcript lies here unused, and each names its sources."""
    text = Path(__file__).read_text()
    for file in TRANSCRIPTS.glob("*.txt"):
        assert f'replay("{file.stem}"' in text, file.name
        assert "* Seen in public" in file.read_text(), file.name
        assert "* By rule" in file.read_text(), file.name
