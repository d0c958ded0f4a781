"""A look into a mailbox, against a server that misbehaves as told."""

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archiver.cli.peek import line
from archiver.cli.progress import reporter
from archiver.config import AccountSettings, PasswordSource, ServerUrl, Settings, StoreSettings
from archiver.errors import ServerUnavailable
from archiver.ledger import Ledger
from archiver.ledger.holding import give_up
from archiver.ledger.versions import problems
from archiver.model import Address
from archiver.pipeline import Verb, run
from archiver.state import StatePaths
from archiver.stopping import Stop
from archiver.verbs.peek import LARGE, Peeked, peeked_json, peeking
from infra.faulty_pop3 import FaultyPop3, Message

LETTER = (
    b"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>\r\n"
    b"Date: Tue, 02 Jan 2024 10:00:00 +0100\r\nMessage-ID: <1@example.com>\r\n"
    b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nbody\r\n"
)


def account(server: FaultyPop3, tmp_path: Path) -> AccountSettings:
    """Settings for this server."""
    (tmp_path / "password").write_text("secret")
    return AccountSettings(
        "me",
        ServerUrl("127.0.0.1", server.port, "user", "plain"),
        password=PasswordSource(file=str(tmp_path / "password")),
        timeout=5.0,
    )


def look(server: FaultyPop3, tmp_path: Path, limit: int | None = None) -> list[Peeked]:
    """What peek shows."""
    with peeking(account(server, tmp_path), tmp_path) as peek:
        return list(peek.messages(limit))


def count(server: FaultyPop3, tmp_path: Path) -> tuple[int, int]:
    """New messages, and all of them."""
    with peeking(account(server, tmp_path), tmp_path) as peek:
        return peek.count_new(), peek.total


def heard(server: FaultyPop3, verb: str) -> list[str]:
    """The commands of this name that the server heard."""
    return [command for command in server.commands if command.split()[0] == verb]


def new(found: Iterable[Peeked]) -> list[int]:
    """The numbers of what is new."""
    return [one.number for one in found if one.new]


def test_what_a_mailbox_shows(tmp_path: Path) -> None:
    """Number, date, author, subject and size of each message, decoded, and nothing retrieved."""
    with FaultyPop3([("u1", LETTER), ("u2", b"no header")], sizes={2: LARGE + 1}) as server:
        found = look(server, tmp_path)
        assert heard(server, "RETR") == []
        assert server.commands[-1] == "QUIT"
    author = Address("Jörg", "joerg@example.com")
    assert found[0] == Peeked(1, "u1", len(LETTER), True, 1704186000, author, "grüße")
    assert (found[1].new, found[1].subject, found[1].date, found[1].large) == (True, "", None, True)
    assert not StatePaths(tmp_path).ledger.exists(), "a look makes no ledger"
    assert peeked_json(found[0]) == {
        "number": 1,
        "uidl": "u1",
        "size": len(LETTER),
        "date": "2024-01-02T09:00:00Z",
        "from": {"name": "Jörg", "address": "joerg@example.com"},
        "subject": "grüße",
        "new": True,
    }


def test_the_newest_only(tmp_path: Path) -> None:
    """A limit shows the newest messages, and asks for no other header."""
    with FaultyPop3([(f"u{n}", LETTER) for n in range(9)]) as server:
        assert [one.number for one in look(server, tmp_path, 2)] == [8, 9]
        assert heard(server, "TOP") == ["TOP 8 0", "TOP 9 0"]
        assert len(look(server, tmp_path, 9)) == len(look(server, tmp_path, 99)) == 9


@pytest.mark.parametrize("without", [{"TOP"}, {"TOP", "CAPA"}])
def test_without_top(without: set[str], tmp_path: Path) -> None:
    """Where there is no TOP only UIDL and size are shown; it is asked for at most once."""
    with FaultyPop3([(f"u{n}", LETTER) for n in range(3)], without=without) as server:
        with peeking(account(server, tmp_path), tmp_path) as peek:
            found = list(peek.messages())
            assert not peek.has_top
        assert len(heard(server, "TOP")) == ("CAPA" in without)
        assert heard(server, "RETR") == []
    assert [(one.number, one.uidl, one.subject) for one in found] == [
        (n + 1, f"u{n}", None) for n in range(3)
    ]


def test_one_refused_header(tmp_path: Path) -> None:
    """A message whose header is refused is shown without it, and the ones behind it with theirs."""
    with FaultyPop3([(f"u{n}", LETTER) for n in range(3)], refuse={2: "locked"}) as server:
        assert [one.subject for one in look(server, tmp_path)] == ["grüße", None, "grüße"]


def test_without_uidl(tmp_path: Path) -> None:
    """A server without UIDL is looked into all the same."""
    with FaultyPop3([("u", LETTER)], without={"UIDL"}) as server:
        (one,) = look(server, tmp_path)
        assert (one.uidl, one.size, one.subject) == (None, len(LETTER), "grüße")


def octets_of(word: str, size: int = 0) -> bytes:
    """A message that its header identifies, of at least so many octets."""
    text = f"Message-ID: <{word}@example.com>\r\n\r\n{word}\r\n".encode()
    return text + b"x" * max(0, size - len(text) - 2) + b"\r\n"


def fetch(server: FaultyPop3, tmp_path: Path, code: int = 0) -> None:
    """Fetches what is new into the ledger and the spool."""
    store = StoreSettings(url=str(tmp_path / "archive"))
    settings = Settings((account(server, tmp_path),), store, state=str(tmp_path))
    assert run(settings, Verb.FETCH, reporter=reporter(quiet=True), stop=Stop()).exit_code == code


@contextmanager
def fetched(
    tmp_path: Path, *words: str, octets: Callable[[str], bytes] = octets_of, **faults: Any
) -> Iterator[FaultyPop3]:
    """A server with messages, all of which were fetched."""
    with FaultyPop3([(f"u-{word}", octets(word)) for word in words], **faults) as server:
        fetch(server, tmp_path)
        yield server


def renamed(server: FaultyPop3) -> None:
    """Gives every message another UIDL."""
    for message in server.mailbox:
        message.uidl = f"moved-{message.uidl}"


def test_given_up(tmp_path: Path) -> None:
    """A message that was given up is not new, until it is another one by its size."""
    with FaultyPop3([("u-a", octets_of("a"))], refuse={1: "no"}) as server:
        fetch(server, tmp_path, code=3)
        assert count(server, tmp_path) == (1, 1)
        with Ledger.open(StatePaths(tmp_path).ledger) as ledger:
            give_up(ledger, [one.row for one in problems(ledger)])
        assert count(server, tmp_path) == (0, 1)
        assert new(look(server, tmp_path)) == []
        server.mailbox[0].octets += b"more\r\n"
        assert count(server, tmp_path) == (1, 1)


def test_new_against_the_ledger(tmp_path: Path) -> None:
    """What was fetched is not new, by its UIDL; counting asks for the headers of the others."""
    with fetched(tmp_path, "a", "b", "c") as server:
        server.mailbox.append(Message("u-d", octets_of("d")))
        server.commands.clear()
        assert new(look(server, tmp_path)) == [4]
        server.commands.clear()
        assert count(server, tmp_path) == (1, 4)
        assert heard(server, "TOP") == ["TOP 4 0"]
        fetch(server, tmp_path)
        assert count(server, tmp_path) == (0, 4)


def dump(tmp_path: Path) -> list[str]:
    """All that the ledger holds."""
    with Ledger.open(StatePaths(tmp_path).ledger) as ledger:
        return list(ledger.database.conn.iterdump())


def test_nothing_is_written(tmp_path: Path) -> None:
    """A look changes nothing in the ledger, even where it finds UIDLs that cannot be trusted."""
    with fetched(tmp_path, "a", "b") as server:
        before = dump(tmp_path)
        server.mailbox[1].uidl = "u-a"
        look(server, tmp_path)
        assert dump(tmp_path) == before


@pytest.mark.parametrize("faults", [{}, {"numberless": True}])
def test_untrusted_uidls(faults: dict[str, Any], tmp_path: Path) -> None:
    """Where UIDLs identify nothing the headers say what is known."""
    with fetched(tmp_path, "a", "b", "c", **faults) as server:
        server.mailbox[2:] = [Message("u-a", octets_of("d")), Message("u-a", octets_of("b"))]
        assert new(look(server, tmp_path)) == [3]
        assert count(server, tmp_path) == (1, 4)


def test_all_uidls_changed(tmp_path: Path) -> None:
    """After a move of the mailbox, which changes all UIDLs, nothing is new."""
    with fetched(tmp_path, "a", "b", "c") as server:
        renamed(server)
        assert new(look(server, tmp_path)) == []
        assert count(server, tmp_path) == (0, 3)


def test_a_reused_uidl(tmp_path: Path) -> None:
    """A UIDL under which another size is listed does not make a message known."""
    with fetched(tmp_path, "a", "b") as server:
        server.mailbox[0].octets = octets_of("other", 500)
        assert new(look(server, tmp_path)) == [1]


def test_headers_that_identify_nothing(tmp_path: Path) -> None:
    """A header without Message-ID and Received is no proof that a message is known."""
    bare = b"Subject: x\r\n\r\n"
    with fetched(tmp_path, "a", octets=lambda word: bare + word.encode()) as server:
        renamed(server)
        assert count(server, tmp_path) == (1, 1)


def test_an_unknown_account(tmp_path: Path) -> None:
    """To an account that was never archived everything is new, whatever others have."""
    with fetched(tmp_path, "a") as server:
        with Ledger.open(StatePaths(tmp_path).ledger) as ledger, ledger.write() as db:
            db.execute("UPDATE accounts SET name = 'somebody else'")
        assert count(server, tmp_path) == (1, 1)


def test_a_server_that_hangs_up_at_quit(tmp_path: Path) -> None:
    """Nothing depends on the answer to QUIT, so it may be missing."""
    with FaultyPop3([("u", LETTER)], refuse_quit="busy") as server:
        assert len(look(server, tmp_path)) == 1


def test_a_lost_connection(tmp_path: Path) -> None:
    """A connection that breaks in the middle is an error, not a short list."""
    with (
        FaultyPop3([(f"u{n}", LETTER) for n in range(500)], drop_after=(30_000,)) as server,
        pytest.raises(ServerUnavailable),
    ):
        look(server, tmp_path)


def test_memory_of_a_look(tmp_path: Path) -> None:
    """Ten times as many messages take no more memory."""
    peaks = []
    for size in (1_000, 10_000):
        with (
            FaultyPop3([(f"u{n:060}", b"S: x\r\n\r\n") for n in range(size)]) as server,
            peeking(account(server, tmp_path), tmp_path) as peek,
        ):
            tracemalloc.start()
            assert sum(1 for _ in peek.messages(1_000)) == 1_000
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000


def test_a_line_for_people() -> None:
    """A line has all that is known, and nothing in it that a terminal obeys."""
    author = Address("Ann\x1b[2J", "ann@example.com")
    shown = line(Peeked(7, "u", LARGE + 1, True, 1704186000, author, "hi\x9b"))
    assert shown.startswith("     7 N! 2024-01-02 09:00  Ann")
    assert shown.endswith("10.0 MiB  hi\N{REPLACEMENT CHARACTER}")
    assert "\x1b" not in shown
    assert line(Peeked(7, "u", None, False)).split() == ["7", "-" * 16, "?", "uid", "u"]
    assert line(Peeked(7, "u", 5, False, subject="")).endswith("5 B  (no subject)")
