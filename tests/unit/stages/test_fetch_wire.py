"""What real servers do on the wire, against everything that fetching makes of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stage_helpers import Desk, box, desk, octets_of

from archiver.ledger.seen import Counts

WORDS = ("one", "two", "three", "four")
MESSAGES = box(*WORDS)
HEAD = b"Message-ID: <x@example.com>\r\n\r\n"


def change(it: Desk, **faults: Any) -> None:
    """Lets the server misbehave in another way from now on."""
    it.server.faults = replace(it.server.faults, **faults)


@pytest.mark.parametrize(
    "octets",
    [
        HEAD + b"bare \r and \n and \r\r\n",
        HEAD + b"stored as CRCRLF\r\r\nby courier\r\r\n",
        HEAD + b"\0 and \xff\xe9\x80\r\n",
        HEAD + b"x" * 200_000 + b"\r\n",
        HEAD + b"\n.\nbody of a bare-LF dot\n.\n+OK injected\r\n",
        HEAD + b"\r.\r\r\n.\r.\r\n",
        HEAD + b".\r\n..\r\n...\r\n.x\r\n",
        b".begins with a dot\r\n",
        b"\r\n\r\n.\r\n",
        b"no header at all\r\n",
    ],
)
@pytest.mark.parametrize("pipelining", [True, False])
def test_octets_are_kept(tmp_path: Path, octets: bytes, pipelining: bool) -> None:
    """Whatever octets a message has, it is stored with these and no others."""
    messages = [("u1", octets), ("u2", octets_of("next"))]
    with desk(tmp_path, messages, pipelining=pipelining) as it:
        assert it.run() == Counts(listed=2, fetched=2)
        assert it.octets() == [octets, octets_of("next")]


@pytest.mark.parametrize("octets", [b"", HEAD + b"no line end"])
def test_line_end_that_list_did_not_count(tmp_path: Path, octets: bytes) -> None:
    """A message without a final line end is two octets longer than LIST says, and known again."""
    with desk(tmp_path, [("u1", octets), *box("two")]) as it:
        assert it.run() == Counts(listed=2, fetched=2)
        assert it.octets() == [octets + b"\r\n", octets_of("two")]
        assert it.run() == Counts(listed=2, known=2)
        assert len(it.heard("RETR")) == 2


def test_dots_that_a_server_does_not_double(tmp_path: Path) -> None:
    """A line that begins with one dot is kept as it came, and the anomaly is recorded."""
    with desk(tmp_path, [("u1", HEAD + b".x\r\n")], unstuffed=True) as it:
        assert it.run() == Counts(listed=1, fetched=1)
        assert it.octets() == [HEAD + b".x\r\n"]
        assert "unstuffed-dot" in it.ledger.value("SELECT anomalies FROM messages")


@pytest.mark.parametrize("pipelining", [True, False])
def test_message_that_breaks_the_stream(tmp_path: Path, pipelining: bool) -> None:
    """A message that ends too early, each time, is not believed and holds up no other."""
    broken = HEAD + b"text\r\n.\r\nmore text\r\n"
    messages = [*box("one"), ("broken", broken), *box("two", "three")]
    with desk(tmp_path, messages, unstuffed=True, pipelining=pipelining) as it:
        assert it.run() == Counts(listed=4, fetched=3, failed=1)
        assert it.octets() == [octets_of(word) for word in ("one", "two", "three")]
        reason = it.ledger.value("SELECT reason FROM messages WHERE problem = 'failed'")
        assert reason.startswith("the session was lost each time it was to come: ")
        assert len(it.heard("RETR")) < 20


@pytest.mark.parametrize("stall", [(2, 0), (2, 30)])
def test_message_that_never_comes(tmp_path: Path, stall: tuple[int, int]) -> None:
    """A message at which the server falls silent, each time, holds up no other."""
    with desk(tmp_path, MESSAGES, stall=stall) as it:
        it.set(timeout=0.2)
        assert it.run() == Counts(listed=4, fetched=3, failed=1)
        assert it.octets() == [octets_of(word) for word in ("one", "three", "four")]


@pytest.mark.parametrize("pipelining", [True, False])
def test_message_that_ends_the_session(tmp_path: Path, pipelining: bool) -> None:
    """A message that makes the server hang up, each time, holds up no other."""
    with desk(tmp_path, MESSAGES, cuts={2}, pipelining=pipelining) as it:
        assert it.run() == Counts(listed=4, fetched=3, failed=1)
        assert it.octets() == [octets_of(word) for word in ("one", "three", "four")]
        change(it, cuts=set())
        assert it.run() == Counts(listed=4, known=3, fetched=1)


def test_server_that_loses_pipelined_commands(tmp_path: Path) -> None:
    """Where PIPELINING is advertised and does not work, one command at a time does (o2.pl)."""
    with desk(tmp_path, MESSAGES, unpipelined=True) as it:
        it.set(timeout=0.3)
        assert it.run() == Counts(listed=4, fetched=4)
        assert it.server.sessions == 2
        assert it.owner.narrow_until > it.clock.now()


def test_wrapper_instead_of_a_message(tmp_path: Path) -> None:
    """In UTF8 mode a server gives what it would else wrap, and it is asked for before login."""
    mail = "Subject: caf\xe9\r\n\r\ntext\r\n".encode()
    with desk(tmp_path, [("u1", mail)], surrogate=b"cannot display\r\n", utf8=True) as it:
        assert it.run() == Counts(listed=1, fetched=1)
        assert it.octets() == [mail]
        verbs = [line.split()[0] for line in it.server.commands]
        assert verbs[:3] == ["CAPA", "UTF8", "AUTH"]


def test_header_that_top_cuts(tmp_path: Path) -> None:
    """A header that TOP does not give whole identifies nothing: RETR and the digest do."""
    messages = [("same", octets_of("one")), ("same", b"X: " + b"x" * 900 + b"\r\n" + HEAD)]
    with desk(tmp_path, messages, top_octets=500) as it:
        assert it.run() == Counts(listed=2, fetched=2)
        assert it.run() == Counts(listed=2, known=2)
        assert it.octets() == [octets for _, octets in messages]


def test_quit_that_fails(tmp_path: Path) -> None:
    """A farewell that is refused is noted and costs nothing (solid-pop3d)."""
    with desk(tmp_path, MESSAGES, refuse_quit="some deleted messages not removed") as it:
        assert it.run() == Counts(listed=4, fetched=4)
        assert it.run() == Counts(listed=4, known=4)
        assert any("not removed" in note for note in it.listener.notes)


def test_capability_in_one_word(tmp_path: Path) -> None:
    """``EXPIRENEVER`` (mailutils) is no reason to wait for anything."""
    with desk(tmp_path, MESSAGES, capabilities=["EXPIRENEVER"]) as it:
        it.archives = False
        assert it.run() == Counts(listed=4, fetched=4)
        assert len(it.heard("QUIT")) == 1


def test_capabilities_after_login(tmp_path: Path) -> None:
    """What is advertised only after login is used: TOP, and more than one command at a time."""
    with desk(tmp_path, MESSAGES, late_capabilities=True) as it:
        it.run()
        assert it.server.round_trips == 6
        for message in it.server.mailbox:
            message.uidl += "-moved"
        assert it.run() == Counts(listed=4, linked=4)
        assert len(it.heard("TOP")) == 4


def test_like_gmail(tmp_path: Path) -> None:
    """Late capabilities, EXPIRE 0, LOGIN-DELAY and a window that moves: all of it is fetched."""
    messages = box(*(f"w{n}" for n in range(640)))
    faults = {"late_capabilities": True, "expire": 0, "login_delay": 300, "offered": 280}
    with desk(tmp_path, messages, **faults) as it:
        assert it.run() == Counts(listed=640, fetched=640)
        assert it.server.mailbox == []
        assert len(it.heard("RETR")) == 640
        assert it.clock.slept == [300.0] * 3
        assert it.ledger.value("SELECT count(*) FROM messages WHERE stage = 'archived'") == 640
