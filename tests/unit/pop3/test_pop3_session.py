from collections.abc import Generator, Iterator

import pytest

from archiver.errors import (
    ProtocolError,
    ServerRefused,
    SessionLost,
)
from archiver.model import Listed
from archiver.pop3 import (
    Chunk,
    Credentials,
    Event,
    Finished,
    Limits,
    Pipelining,
    Refused,
    Security,
    Server,
    Session,
    Started,
)
from archiver.pop3.transport import Transport
from infra.faulty_pop3 import FaultyPop3

MAIL = [(f"u{n}", b"Subject: %d\r\n\r\n.dot\r\n" % n + b"x" * n + b"\r\n") for n in range(1, 10)]
LISTED = [Listed(n, uidl, len(octets)) for n, (uidl, octets) in enumerate(MAIL, 1)]
SHORT = Limits(connect_timeout=5, read_timeout=0.2)


def _open(server: FaultyPop3, limits: Limits | None = None) -> Session:
    return Session.open(Server("127.0.0.1", server.port, Security.PLAIN), limits)


def _signed_in(server: FaultyPop3, limits: Limits | None = None) -> Session:
    session = _open(server, limits)
    session.sign_in(Credentials("user", "secret"))
    return session


def _octets(events: Iterator[Event]) -> dict[int, bytes]:
    """Each finished message by its number."""
    whole: dict[int, bytes] = {}
    current = b""
    for event in events:
        if isinstance(event, Started):
            current = b""
        elif isinstance(event, Chunk):
            current += event.octets
        elif isinstance(event, Finished):
            whole[event.listed.number] = current
    return whole


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is written to the connection, one entry a write."""
    written: list[bytes] = []
    original = Transport.write

    def write(self: Transport, octets: bytes) -> None:
        written.append(octets)
        original(self, octets)

    monkeypatch.setattr(Transport, "write", write)
    return written


def test_a_whole_session() -> None:
    """A session greets, signs in, lists, retrieves, deletes and quits with exactly these words."""
    with FaultyPop3(MAIL[:2], greeting=b"+OK hello\r\n") as server:
        with _open(server) as session:
            assert session.greeting == "hello"
            assert session.capabilities.sasl == {"PLAIN"}
            session.sign_in(Credentials("user", "secret"))
            assert session.mechanism == "plain"
            assert session.stat() == (2, len(MAIL[0][1]) + len(MAIL[1][1]))
            assert list(session.uidls()) == [(1, "u1"), (2, "u2")]
            assert list(session.sizes()) == [(one.number, one.size) for one in LISTED[:2]]
            headers = _octets(session.headers(LISTED[:2]))
            assert headers == {1: b"Subject: 1\r\n\r\n", 2: b"Subject: 2\r\n\r\n"}
            assert _octets(session.retrieve(LISTED[:2])) == {1: MAIL[0][1], 2: MAIL[1][1]}
            assert list(session.delete(LISTED[:1])) == [Finished(LISTED[0])]
            session.noop()
            assert session.quit() == "bye"
        assert [message.uidl for message in server.mailbox] == ["u2"]
        assert server.commands == [
            *("CAPA", "AUTH PLAIN AHVzZXIAc2VjcmV0", "CAPA", "STAT", "UIDL", "LIST"),
            *("TOP 1 0", "TOP 2 0", "RETR 1", "RETR 2", "DELE 1", "NOOP", "QUIT"),
        ]


def test_window_is_written_at_once(writes: list[bytes]) -> None:
    """Commands of a window share a write, and the next leave when half of it has come in."""
    with FaultyPop3(MAIL) as server, _signed_in(server, Limits(window_commands=4)) as session:
        writes.clear()
        assert len(_octets(session.retrieve(LISTED))) == 9
        sent = [write.decode().split("\r\n")[:-1] for write in writes]
        assert sent == [
            ["RETR 1", "RETR 2", "RETR 3", "RETR 4"],
            ["RETR 5", "RETR 6"],
            ["RETR 7", "RETR 8"],
            ["RETR 9"],
        ]


@pytest.mark.parametrize(
    ("advertised", "pipelining", "together"),
    [
        (True, Pipelining.AUTO, True),
        (False, Pipelining.AUTO, False),
        (True, Pipelining.NEVER, False),
        (False, Pipelining.ALWAYS, True),
    ],
)
def test_when_commands_are_pipelined(
    writes: list[bytes], advertised: bool, pipelining: Pipelining, together: bool
) -> None:
    """Commands go ahead of answers only where that was advertised or is forced."""
    with (
        FaultyPop3(MAIL, pipelining=advertised) as server,
        _signed_in(server, Limits(pipelining=pipelining)) as session,
    ):
        for ask in (session.headers, session.retrieve, session.delete):
            writes.clear()
            list(ask(LISTED))
            assert len(writes) == (1 if together else len(LISTED))


def test_no_uidl() -> None:
    """A server without UIDL refuses it, and the session goes on."""
    with FaultyPop3(MAIL, without={"UIDL"}) as server, _signed_in(server) as session:
        with pytest.raises(ServerRefused, match="UIDL"):
            next(session.uidls())
        assert len(list(session.sizes())) == 9


def test_uidls_without_numbers() -> None:
    """UIDL lines without numbers come in their order, without numbers."""
    with FaultyPop3(MAIL[:2], numberless=True) as server, _signed_in(server) as session:
        assert list(session.uidls()) == [(None, "u1"), (None, "u2")]


def test_duplicate_uidls() -> None:
    """UIDLs that occur twice are passed on as they are."""
    mail = [("same", b"a\r\n"), ("same", b"b\r\n")]
    with FaultyPop3(mail) as server, _signed_in(server) as session:
        assert list(session.uidls()) == [(1, "same"), (2, "same")]


def test_sizes_that_lie() -> None:
    """Messages are read to their end whatever LIST said of them."""
    sizes = {1: 0, 2: 10**12, 3: -5, 4: "huge"}
    with FaultyPop3(MAIL, sizes=sizes) as server, _signed_in(server) as session:
        listed = [Listed(number, None, size) for number, size in session.sizes()]
        assert [one.size for one in listed[:4]] == [0, 10**12, None, None]
        assert _octets(session.retrieve(listed)) == dict(enumerate([m[1] for m in MAIL], 1))


def test_sizes_that_change() -> None:
    """A later session sees the octets and sizes of then."""
    with FaultyPop3([("u", b"a\r\n")]) as server:
        with _signed_in(server) as session:
            assert list(session.sizes()) == [(1, 3)]
        server.mailbox[0].octets = b"longer\r\n"
        with _signed_in(server) as session:
            assert list(session.sizes()) == [(1, 8)]


def test_lines_that_name_no_message_are_left_out() -> None:
    """A line of LIST without a number is no message."""
    reply = b"+OK\r\nhello\r\n2 5\r\n.\r\n"
    with FaultyPop3(replies={"LIST": reply}) as server, _signed_in(server) as session:
        assert list(session.sizes()) == [(2, 5)]


def test_refusal_within_a_window() -> None:
    """-ERR to one message does not touch the ones behind it."""
    with FaultyPop3(MAIL, refuse={3: "[SYS/TEMP] later"}) as server, _signed_in(server) as session:
        events = list(session.retrieve(LISTED))
        assert Refused(LISTED[2], "SYS/TEMP", "[SYS/TEMP] later") in events
        assert sorted(_octets(iter(events))) == [1, 2, 4, 5, 6, 7, 8, 9]
        session.noop()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 5, 60, 200, 250, 300, 350])
def test_dropped_after_any_octet(after: int, reset: bool) -> None:
    """A connection that breaks is a lost session, and what was finished before is whole."""
    with FaultyPop3(MAIL, drop_after=[after], reset=reset) as server:
        seen: list[Event] = []
        with pytest.raises(SessionLost, match=r"127\.0\.0\.1"):
            seen.extend(_signed_in(server).retrieve(LISTED))
        whole = {one.number: octets for one, (_, octets) in zip(LISTED, MAIL, strict=True)}
        got = _octets(iter(seen))
        assert got.items() <= whole.items()
        assert got != whole
        with _signed_in(server) as again:
            assert _octets(again.retrieve(LISTED)) == whole


def test_outstanding_tells_a_pipelining_accident() -> None:
    """How many answers were missing is still known after the loss."""
    with FaultyPop3(MAIL, stall=(3, 10)) as server:
        session = _signed_in(server, SHORT)
        with pytest.raises(SessionLost):
            list(session.retrieve(LISTED))
        assert session.outstanding == 7


def test_stalled_message() -> None:
    """A message that brings too little in the time given is a lost session."""
    with FaultyPop3(MAIL, stall=(1, 10)) as server:
        session = _signed_in(server, SHORT)
        with pytest.raises(SessionLost, match=r"15 octets came in 0\.2 s"):
            list(session.retrieve(LISTED))


def test_slow_but_steady() -> None:
    """A message that brings enough in the time given goes on; one that then stalls does not."""
    with FaultyPop3([("u", b"x" * 5000)], stall=(1, 4000)) as server:
        session = _signed_in(server, SHORT)
        with pytest.raises(SessionLost, match=r"0 octets came in 0\.2 s"):
            list(session.retrieve([Listed(1, None, None)]))


def test_wrong_octets_in_a_window() -> None:
    """Octets that nobody asked for end the session at the message behind which they came."""
    with FaultyPop3(MAIL, tail={2: b"+NO\r\n"}) as server, _signed_in(server) as session:
        seen: list[Event] = []
        with pytest.raises(ProtocolError):
            seen.extend(session.retrieve(LISTED))
        assert sorted(_octets(iter(seen))) in ([1], [1, 2])
        assert session.suspect in LISTED[:2]
        with pytest.raises(SessionLost, match="is over"):
            session.quit()
        assert "QUIT" not in server.commands


def test_generator_closed_early() -> None:
    """A caller that leaves answers unread can only drop the session."""
    with FaultyPop3(MAIL) as server:
        session = _signed_in(server)
        events = session.retrieve(LISTED)
        next(events)
        assert isinstance(events, Generator)
        events.close()
        for refused in (session.noop, session.quit, session.stat):
            with pytest.raises(SessionLost, match="left unread"):
                refused()
        with pytest.raises(SessionLost):
            next(session.uidls())
        with pytest.raises(SessionLost):
            next(session.retrieve(LISTED))
        session.drop()
        session.drop()


def test_listing_that_fails_midway() -> None:
    """An error in what the caller lists, with answers outstanding, ends the session too."""

    def failing() -> Iterator[Listed]:
        yield from LISTED[:4]
        raise OSError

    with FaultyPop3(MAIL) as server, _signed_in(server, Limits(window_commands=2)) as session:
        with pytest.raises(OSError, match=r"^$"):
            list(session.retrieve(failing()))
        with pytest.raises(SessionLost):
            session.noop()


def test_stopping_in_step() -> None:
    """A caller that lets its listing end and takes what comes can go on."""
    with FaultyPop3(MAIL) as server, _signed_in(server, Limits(window_commands=2)) as session:
        full = False
        for event in session.retrieve(one for one in LISTED if not full):
            full = full or isinstance(event, Finished)
        session.noop()
        retrieved = [command for command in server.commands if command.startswith("RETR")]
        assert 2 <= len(retrieved) <= 4


def test_nothing_between_answers() -> None:
    """Asking for something else while answers are being read is our own mistake."""
    with FaultyPop3(MAIL) as server, _signed_in(server) as session:
        events = session.retrieve(LISTED)
        next(events)
        with pytest.raises(RuntimeError):
            session.noop()
        with pytest.raises(RuntimeError):
            next(session.headers(LISTED))
        assert len(_octets(events)) == 9


def test_exchange_that_is_complete_but_not_exhausted() -> None:
    """A caller that has all it asked for may go on without asking for the end."""
    with FaultyPop3(MAIL) as server, _signed_in(server) as session:
        uidls = session.uidls()
        assert [next(uidls)[0] for _ in MAIL] == list(range(1, 10))
        events = session.headers(LISTED[:1])
        assert [type(next(events)) for _ in range(3)] == [Started, Chunk, Finished]
        session.noop()
        later = session.retrieve(LISTED)
        next(later)
        del uidls
        with pytest.raises(RuntimeError, match="another exchange"):
            next(events)
        assert len(_octets(later)) == 9
        assert session.quit() == "bye"


def test_suspect_only_after_a_framing_error() -> None:
    """A connection that merely breaks makes no message suspect."""
    with FaultyPop3(MAIL, stall=(3, 10)) as server:
        session = _signed_in(server, SHORT)
        with pytest.raises(SessionLost):
            list(session.retrieve(LISTED))
        assert session.suspect is None


def test_expire_removes_at_quit_only() -> None:
    """Where EXPIRE is 0, QUIT removes what was retrieved, and a dropped connection does not."""
    with FaultyPop3(MAIL, expire=0, login_delay=300) as server:
        with _signed_in(server) as session:
            assert (session.capabilities.expire, session.capabilities.login_delay) == (0, 300)
            list(session.retrieve(LISTED[:2]))
        assert len(server.mailbox) == 9
        with _signed_in(server) as session:
            list(session.retrieve(LISTED[:2]))
            session.quit()
        assert [message.uidl for message in server.mailbox][:1] == ["u3"]


def test_deleted_at_quit_only() -> None:
    """DELE and a dropped connection delete nothing."""
    with FaultyPop3(MAIL) as server:
        with _signed_in(server) as session:
            assert len(list(session.delete(LISTED))) == 9
        assert len(server.mailbox) == 9


def test_refused_quit() -> None:
    """-ERR to QUIT is said, with the server's words, and the session is over."""
    with FaultyPop3(MAIL, refuse_quit="[SYS/TEMP] some remain") as server:
        session = _signed_in(server)
        with pytest.raises(ServerRefused, match="some remain") as caught:
            session.quit()
        assert caught.value.code == "SYS/TEMP"
        with pytest.raises(SessionLost):
            session.noop()


def test_stat_that_counts_nothing() -> None:
    """An answer to STAT without a number cannot be trusted."""
    with FaultyPop3(replies={"STAT": b"+OK lots\r\n"}) as server, _signed_in(server) as session:
        with pytest.raises(ProtocolError, match="lots"):
            session.stat()
        with pytest.raises(SessionLost):
            session.noop()


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that was interrupted while it waited for an answer can only be dropped."""
    with FaultyPop3(MAIL) as server, _signed_in(server) as session:

        def interrupted(transport: Transport, **_: object) -> bytes:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Transport, "read", interrupted)
            with pytest.raises(KeyboardInterrupt):
                session.noop()
        with pytest.raises(SessionLost, match="interrupted"):
            session.quit()


def test_listing_that_trickles() -> None:
    """A listing that comes in too few octets has stalled like any other answer."""
    replies = {"UIDL": b"+OK\r\n1 a\r\n"}
    with FaultyPop3(replies=replies) as server, _signed_in(server, SHORT) as session:
        uidls = session.uidls()
        assert next(uidls) == (1, "a")
        with pytest.raises(SessionLost, match="octets came in"):
            next(uidls)


def test_round_trip() -> None:
    """The shortest time from a command to its answer is remembered, in seconds."""
    with FaultyPop3(MAIL) as server, _signed_in(server) as session:
        first = session.round_trip
        assert 0 < first < 60
        session.noop()
        assert 0 < session.round_trip <= first
