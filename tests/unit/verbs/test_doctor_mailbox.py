"""What the doctor says about servers that do not behave."""

from pathlib import Path
from typing import Any

import pytest
from doctor_helpers import MAIL, NOW, about, account, examined, last, problems

from archiver.errors import AlreadyRunning
from archiver.state import AccountLock, StatePaths
from archiver.verbs.doctor.findings import Mark
from archiver.verbs.doctor.mailbox import examine_mailbox
from infra.faulty_pop3 import FaultyPop3
from infra.process import free_ports


def test_a_good_server(tmp_path: Path) -> None:
    """Every step is made and well, but for TLS, which this server does not have."""
    with FaultyPop3(MAIL) as server:
        found = examined(tmp_path, server)
        assert server.mailbox[0].uidl == "u0"
    notes = [one.topic for one in found.findings if one.mark is not Mark.OK]
    assert (notes, found.exit_code) == (["tls"], 0)
    facts = found.facts
    assert facts["mechanism"] == "plain"
    assert (facts["messages"], facts["octets"]) == (5, sum(len(octets) for _, octets in MAIL))
    assert facts["uidl_works"] and facts["uidl_unique"] and facts["uidl_complete"]
    assert facts["top_works"] and facts["sizes_exact"] and facts["pipelining_works"]
    assert 0 < facts["round_trip"] < 5
    assert (facts["sessions"], facts["hours"]) == (1, 0.0)


def test_it_ends_with_nothing_marked(tmp_path: Path) -> None:
    """The session ends by RSET and QUIT, and no DELE was ever sent."""
    with FaultyPop3(MAIL) as server:
        examined(tmp_path, server)
        assert server.commands[-2:] == ["RSET", "QUIT"]
        assert not [one for one in server.commands if one.startswith("DELE")]
        assert [one for one in server.commands if one.startswith("RETR")] == ["RETR 1"]


@pytest.mark.parametrize("faults", [{"expire": 0}, {"expire": 7}])
def test_nothing_is_retrieved_where_that_counts(faults: dict[str, Any], tmp_path: Path) -> None:
    """Where retrieving could retire a message, now or after days, no RETR is sent."""
    with FaultyPop3(MAIL, **faults) as server:
        found = examined(tmp_path, server)
        assert not [one for one in server.commands if one.startswith("RETR")]
        assert len(server.mailbox) == len(MAIL)
    assert found.facts["sizes_exact"] is None
    assert "could retire" in last(found, "octets").seen
    assert last(found, "expire").mark is Mark.NOTE


def test_how_long_a_first_run_takes(tmp_path: Path) -> None:
    """EXPIRE 0 and LOGIN-DELAY together make sessions and hours."""
    mail = [(f"u{n}", b"A: %d\r\n\r\n" % n) for n in range(700)]
    with FaultyPop3(mail, expire=0, login_delay=300) as server:
        found = examined(tmp_path, server)
    assert (found.facts["retires"], found.facts["sessions"]) == (True, 3)
    assert found.facts["hours"] == round(600 / 3600, 2)
    assert "3 sessions" in last(found, "login delay").seen


def test_gmail_retires_whatever_it_says(tmp_path: Path) -> None:
    """Nothing is retrieved at Gmail, whose host says enough."""
    with FaultyPop3(MAIL, late_capabilities=True) as server:
        found = examined(tmp_path, server)
        assert found.facts["retires"] is False
    assert "new are TOP, UIDL, PIPELINING" in last(found, "capabilities").seen


def test_a_wrong_password(tmp_path: Path) -> None:
    """A failing login still shows what stands before it, and ends with 4."""
    with FaultyPop3(MAIL) as server:
        found = examined(tmp_path, server, password="hunter2")
    assert (problems(found), found.exit_code) == (["sign-in"], 4)
    assert found.facts["capabilities_before"]
    assert "hunter2" not in repr(found)


def test_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a password the server is looked at all the same."""
    with FaultyPop3(MAIL) as server:
        made = account(tmp_path, server.port)
        (tmp_path / "password").unlink()
        found = examine_mailbox(made, tmp_path / "state", NOW)
    assert (problems(found), found.exit_code) == (["sign-in"], 2)
    assert last(found, "greeting").seen == "ready"


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ("[IN-USE] locked by another session", "in use"),
        ("[LOGIN-DELAY] too soon", "too soon"),
        ("[SYS/TEMP] later", "later"),
    ],
)
def test_a_login_that_must_wait(refusal: str, words: str, tmp_path: Path) -> None:
    """A busy mailbox, or one that was asked too soon, is no matter of the password."""
    with FaultyPop3(MAIL, refuse_login=refusal) as server:
        found = examined(tmp_path, server)
    assert (problems(found), found.exit_code) == (["sign-in"], 5)
    assert words in (last(found, "sign-in").seen + last(found, "sign-in").advice).lower()


def test_nobody_listens(tmp_path: Path) -> None:
    """A port where nobody listens is exit code 5, said once."""
    (port,) = free_ports(1)
    found = examine_mailbox(account(tmp_path, port), tmp_path, NOW)
    assert [one.topic for one in found.findings] == ["name", "connection"]
    assert "refuses connections" in last(found, "connection").seen
    assert found.exit_code == 5


def test_a_run_under_way(tmp_path: Path) -> None:
    """While a run uses the account nobody signs in, and the server is looked at all the same."""
    paths = StatePaths(tmp_path / "state")
    paths.create()
    with FaultyPop3(MAIL) as server, AccountLock(paths.locks, "me", "run"):
        found = examined(tmp_path, server)
    assert (problems(found), found.exit_code) == (["sign-in"], AlreadyRunning.exit_code)
    assert not [one for one in server.commands if one.startswith(("AUTH", "PASS"))]
    assert found.facts["capabilities_before"]


def test_no_run_meanwhile(tmp_path: Path) -> None:
    """Where a run left its lock the doctor holds it while signed in, and lets go of it."""
    paths = StatePaths(tmp_path / "state")
    paths.create()
    with AccountLock(paths.locks, "me", "run"):
        pass
    with FaultyPop3(MAIL) as server:
        found = examined(tmp_path, server)
    assert problems(found) == []
    with AccountLock(paths.locks, "me", "run"):
        pass


def test_no_trace_in_the_state(tmp_path: Path) -> None:
    """Where nothing ever ran no state is made."""
    with FaultyPop3(MAIL) as server:
        examined(tmp_path, server)
    assert not (tmp_path / "state").exists()


QUIRKS: list[tuple[dict[str, Any], str, str]] = [
    ({"without": {"CAPA"}}, "capabilities", "no CAPA"),
    ({"without": {"UIDL"}}, "uidl", "not there"),
    ({"replies": {"UIDL": b"-ERR no\r\n"}}, "uidl", "advertised, and refused"),
    ({"numberless": True}, "uidl", "without message numbers"),
    ({"unnamed": {2}}, "uidl", "4 for 5 messages"),
    ({"sizes": {2: "x", 3: -1}}, "list", "2 of 5 messages have no usable size"),
    ({"sizes": {1: 12}}, "octets", "and LIST says 12"),
    ({"without": {"TOP"}}, "top", "not there: unknown command"),
    ({"replies": {"TOP": b"-ERR no TOP today\r\n"}}, "top", "advertised, and refused: no TOP"),
    ({"replies": {"TOP": b"+OK\r\nSubject: other\r\n\r\n.\r\n"}}, "top", "another header"),
    ({"pipelining": False}, "pipelining", "works though it is not advertised"),
    ({"refuse": {1: "mailbox damaged"}}, "octets", "refused: mailbox damaged"),
    ({"replies": {"UTF8": b"-ERR no\r\n"}, "utf8": True}, "utf8", "advertised, and refused"),
    ({"refuse_quit": "some deleted messages not removed"}, "quit", "not removed"),
]


@pytest.mark.parametrize(("faults", "topic", "words"), QUIRKS)
def test_quirks(faults: dict[str, Any], topic: str, words: str, tmp_path: Path) -> None:
    """What a server does in its own way is a note in plain words, and no problem."""
    with FaultyPop3(MAIL, **faults) as server:
        found = examined(tmp_path, server)
    notes = [one.seen for one in about(found, topic) if one.mark is Mark.NOTE]
    assert [one for one in notes if words in one], (notes, found.findings)
    assert (problems(found), found.exit_code) == ([], 0)
    assert found.facts["mechanism"]


@pytest.mark.parametrize(
    ("uidls", "words"),
    [
        (["a", "b", "a", "c", "a"], "2 of them repeated"),
        (["1", "2", "3", "4", "5"], "message numbers"),
        (["a", "b", "", "c", "d"], "1 are blank"),
    ],
)
def test_uidls_that_prove_nothing(uidls: list[str], words: str, tmp_path: Path) -> None:
    """UIDLs that cannot tell messages apart are named, with what is done instead."""
    mail = [(uidl, octets) for uidl, (_, octets) in zip(uidls, MAIL, strict=True)]
    with FaultyPop3(mail) as server:
        found = examined(tmp_path, server)
    assert words in last(found, "uidl").seen
    assert "does not trust" in last(found, "uidl").advice
    assert found.exit_code == 0


@pytest.mark.parametrize("advertised", [True, False])
def test_pipelining_that_does_not_work(advertised: bool, tmp_path: Path) -> None:
    """A server that loses commands in one write is found out, last of all, within its time."""
    with FaultyPop3(MAIL, pipelining=advertised, unpipelined=True) as server:
        found = examined(tmp_path, server, timeout=0.5)
    said = found.findings[-1]
    assert (said.topic, found.facts["pipelining_works"]) == ("pipelining", False)
    assert said.mark is (Mark.NOTE if advertised else Mark.OK)
    assert found.facts["sizes_exact"]
    assert found.exit_code == 0


def test_pipelining_that_nobody_wants(tmp_path: Path) -> None:
    """Where the settings say never it is not tried."""
    with FaultyPop3(MAIL, unpipelined=True) as server:
        found = examined(tmp_path, server, pipelining="never")
    assert "the settings say never" in last(found, "pipelining").seen


@pytest.mark.parametrize("empty_by_error", [False, True])
def test_an_empty_mailbox(empty_by_error: bool, tmp_path: Path) -> None:
    """An empty mailbox is no fault, whichever way the server says so."""
    replies = {"LIST": b"-ERR no messages\r\n"} if empty_by_error else {}
    with FaultyPop3([], replies=replies) as server:
        found = examined(tmp_path, server)
    assert found.facts["messages"] == 0
    assert found.facts["pipelining_works"]
    assert "not tried" in last(found, "top").seen


@pytest.mark.parametrize("heard", range(1, 9))
def test_a_connection_that_breaks(heard: int, tmp_path: Path) -> None:
    """A connection lost at any command is a problem, and what was found before it stays."""
    with FaultyPop3(MAIL, drop_at=[heard]) as server:
        found = examined(tmp_path, server)
    assert found.exit_code == 5
    assert found.findings[-1].mark is Mark.PROBLEM
    assert bool(found.facts["capabilities_before"]) == (heard > 1)
    assert bool(found.facts["messages"]) == (heard > 4)


def test_a_server_that_refuses_all(tmp_path: Path) -> None:
    """STAT and LIST refused are problems, and the rest is tried all the same."""
    replies = dict.fromkeys(("STAT", "LIST", "NOOP"), b"-ERR not now\r\n")
    with FaultyPop3(MAIL, replies=replies) as server:
        found = examined(tmp_path, server)
    assert problems(found) == ["mailbox", "list"]
    assert found.facts["uidl_works"]


def test_a_tls_port_spoken_to_in_clear(tmp_path: Path) -> None:
    """STLS that is refused is one clear problem with its hint."""
    with FaultyPop3(MAIL) as server:
        found = examined(tmp_path, server, security="stls")
    assert "gives no TLS by STLS" in last(found, "connection").seen
    assert "pop3s://" in last(found, "connection").advice
    assert found.exit_code == 5
