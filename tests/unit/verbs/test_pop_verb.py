"""POP3 by hand, against a server that misbehaves as told."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archiver.cli.prompt import Screen, converse
from archiver.cli.script import run_script
from archiver.cli.shown import Shown, harmless
from archiver.config import AccountSettings, PasswordSource, ServerUrl
from archiver.errors import LoginRefused, ServerRefused, SessionLost, UsageError
from archiver.ledger import Ledger
from archiver.ledger.accounts import note_retiring, open_account
from archiver.pop3 import Capabilities, Transcript, retires
from archiver.pop3.rules import Verb
from archiver.state import StatePaths
from archiver.verbs.pop import Hand, named
from archiver.verbs.pop_commands import Command, allowed, parse, parse_script
from infra.faulty_pop3 import FaultyPop3

MAIL = [(f"u{n}", b"Subject: %d\r\n\r\n.dot\x1b[31m\r\n\xff end\r\n" % n) for n in range(1, 8)]


@contextmanager
def hand(
    server: FaultyPop3, tmp_path: Path, transcript: Transcript | None = None
) -> Iterator[Hand]:
    """A person's session with this server."""
    (tmp_path / "password").write_text(server.password)
    account = AccountSettings(
        "me",
        ServerUrl("127.0.0.1", server.port, "user", "plain"),
        password=PasswordSource(file=str(tmp_path / "password")),
        timeout=5.0,
    )
    with Hand.open(account, tmp_path, transcript) as opened:
        yield opened


def after_login(server: FaultyPop3) -> list[str]:
    """What the server heard behind signing in."""
    at = max(n for n, line in enumerate(server.commands) if line.startswith(("AUTH", "PASS")))
    return [line for line in server.commands[at + 1 :] if line != "CAPA"]


def script(opened: Hand, *lines: str, sure: bool = False, as_json: bool = False) -> None:
    """Performs commands as --exec does."""
    run_script(opened, parse_script(lines), sure=sure, as_json=as_json)


def person(*lines: str | type[BaseException]) -> Callable[[str], str]:
    """Somebody who types these lines; an exception is a key."""
    left = list(lines)

    def ask(_: str) -> str:
        line = left.pop(0)
        if isinstance(line, str):
            return line
        raise line

    return ask


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("stat", Command(Verb.STAT)),
        ("  List  ", Command(Verb.LIST)),
        ("list 3", Command(Verb.LIST, "3")),
        ("uidl 3", Command(Verb.UIDL, "3")),
        ("Top  3   10", Command(Verb.TOP, "3 10")),
        ("TOP 3 0 >x", Command(Verb.TOP, "3 0", Path("x"))),
        ("retr 3 > a file", Command(Verb.RETR, "3", Path("a file"))),
        ("dele 3", Command(Verb.DELE, "3")),
        ("quit", Command(Verb.QUIT)),
    ],
)
def test_commands_as_people_type_them(line: str, command: Command) -> None:
    """Commands are taken in any case, with spaces where there may be some."""
    assert parse(line) == command


@pytest.mark.parametrize(
    "line",
    [
        *("RETR", "RETR x", "RETR 0", "RETR -1", "RETR 1 2", "TOP 1", "TOP 1 -1", "STAT 1"),
        *("LIST 1 2", "DELE", "DELE 1,2", "QUIT now", "DELE 1 > x", "", "RETR 1\r\nDELE 1"),
        *("LIST ٣", "RETR 99999999999", "RETR 1 > ~nobody-of-this-name/x"),
    ],
)
def test_what_is_no_command(line: str) -> None:
    """What cannot be sent as it stands is refused before anything is sent."""
    with pytest.raises(UsageError):
        parse(line)


@pytest.mark.parametrize("line", ["USER me", "PASS secret", "STLS", "AUTH PLAIN", "XYZZY"])
def test_a_command_out_of_its_place(line: str) -> None:
    """A command that has no place here is met with those that have one."""
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert allowed() in caught.value.hint
    assert "secret" not in caught.value.message
    assert allowed() == "STAT, LIST, UIDL, TOP, RETR, DELE, NOOP, RSET, CAPA, QUIT"


def test_nothing_behind_quit() -> None:
    """A script with something behind QUIT is refused as a whole."""
    with pytest.raises(UsageError, match="follow QUIT"):
        parse_script(["QUIT", "STAT"])


def test_answers_of_a_script(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Answers come in order without +OK, messages as their exact octets."""
    with FaultyPop3(MAIL[:2]) as server:
        with hand(server, tmp_path) as opened:
            script(opened, "STAT", "LIST", "UIDL 2", "RETR 1", "TOP 2 0", "NOOP")
        assert after_login(server)[-1] == "QUIT"
        assert len(server.mailbox) == 2
    size = len(MAIL[0][1])
    listing = b"2 %d\n1 %d\n2 %d\n2 u2\n" % (2 * size, size, size)
    expected = listing + MAIL[0][1] + b"Subject: 2\r\n\r\n\n"
    assert capfdbinary.readouterr().out == expected


def test_answers_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An object a command; the lines of a message are its octets as latin-1."""
    with FaultyPop3(MAIL[:1]) as server, hand(server, tmp_path) as opened:
        with pytest.raises(ServerRefused, match="no such message"):
            script(opened, "uidl", "RETR 1", "RETR 5", "STAT", as_json=True)
        assert after_login(server)[-1] == "RETR 5"
    uidl, message, refused = map(json.loads, capsys.readouterr().out.splitlines())
    assert uidl == {"command": "UIDL", "ok": True, "text": "", "lines": ["1 u1"]}
    assert "".join(f"{line}\r\n" for line in message["lines"]).encode("latin-1") == MAIL[0][1]
    assert refused == {"command": "RETR 5", "ok": False, "text": "no such message", "lines": []}


def test_without_quit_nothing_is_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Marks are taken back, and that nothing is deleted is said."""
    with FaultyPop3(MAIL) as server:
        with hand(server, tmp_path) as opened:
            script(opened, "DELE 1", "DELE 4")
        assert after_login(server) == ["DELE 1", "DELE 4", "RSET", "QUIT"]
        assert len(server.mailbox) == 7
    assert "nothing is deleted; marked was 1, 4" in capsys.readouterr().err


def test_quit_deletes_only_with_a_word(tmp_path: Path) -> None:
    """QUIT behind DELE is not sent unless somebody is sure; RSET makes it harmless."""
    with FaultyPop3(MAIL) as server:
        with (
            hand(server, tmp_path) as opened,
            pytest.raises(UsageError, match="deletes 2 messages for good: 1, 7"),
        ):
            script(opened, "DELE 7", "DELE 1", "QUIT")
        assert len(server.mailbox) == 7
        with hand(server, tmp_path) as opened:
            script(opened, "DELE 7", "RSET", "QUIT")
        assert len(server.mailbox) == 7
        with hand(server, tmp_path) as opened:
            script(opened, "DELE 7", "DELE 1", "QUIT", sure=True)
        assert [one.uidl for one in server.mailbox] == ["u2", "u3", "u4", "u5", "u6"]


def test_a_server_that_retires(tmp_path: Path) -> None:
    """Where QUIT removes what was retrieved, a session that retrieved is dropped, not quit."""
    with FaultyPop3(MAIL, expire=0) as server:
        with hand(server, tmp_path) as opened:
            script(opened, "TOP 1 5", "STAT")
        assert after_login(server)[-1] == "QUIT"
        with hand(server, tmp_path) as opened:
            script(opened, "RETR 1", "DELE 2", "RSET", "STAT")
        assert after_login(server)[-1] == "STAT"
        with hand(server, tmp_path) as opened, pytest.raises(UsageError, match="retrieved"):
            script(opened, "RETR 3", "QUIT")
        assert len(server.mailbox) == 7
        with hand(server, tmp_path) as opened, pytest.raises(ServerRefused):
            script(opened, "RETR 9")
        assert after_login(server)[-1] == "QUIT", "what was refused is not retrieved"
        with hand(server, tmp_path) as opened:
            script(opened, "RETR 3", "QUIT", sure=True)
        assert [one.uidl for one in server.mailbox] == ["u1", "u2", "u4", "u5", "u6", "u7"]


def test_gmail_retires_whatever_it_says() -> None:
    """Gmail's hosts retire by a setting of the mailbox: they are known by their names."""
    assert retires("pop.gmail.com", Capabilities())
    assert not retires("pop.example.com", Capabilities())


def test_a_server_that_was_seen_to_retire(tmp_path: Path) -> None:
    """What a run has learnt about the server holds here too."""
    with Ledger.open(StatePaths(tmp_path).ledger) as ledger:
        note_retiring(ledger, open_account(ledger, "me", store_url="s", host="127.0.0.1"))
    with FaultyPop3(MAIL) as server:
        with hand(server, tmp_path) as opened:
            script(opened, "RETR 2")
            assert opened.losing == (2,)
        assert after_login(server) == ["RETR 2"]


def test_a_message_into_a_file(tmp_path: Path) -> None:
    """RETR n > FILE writes the exact octets, for the owner alone, and never over another file."""
    target = tmp_path / "a message.eml"
    with FaultyPop3(MAIL) as server:
        with hand(server, tmp_path) as opened:
            script(opened, f"RETR 3 > {target}")
            assert target.read_bytes() == MAIL[2][1]
            assert target.stat().st_mode & 0o777 == 0o600
            with pytest.raises(UsageError, match="there already"):
                script(opened, f"RETR 4 > {target}")
            assert target.read_bytes() == MAIL[2][1]
            with pytest.raises(ServerRefused):
                script(opened, f"RETR 9 > {tmp_path / 'none'}")
            with pytest.raises(UsageError, match="cannot be written"):
                script(opened, f"RETR 1 > {tmp_path / 'no' / 'such'}")
        assert not (tmp_path / "none").exists()
        assert [line for line in after_login(server) if "RETR" in line] == ["RETR 3", "RETR 9"]


def test_a_file_of_a_message_that_was_cut_off(tmp_path: Path) -> None:
    """A message that did not come whole leaves no file behind."""
    target = tmp_path / "cut.eml"
    with (
        FaultyPop3([("u", b"x" * 300_000)], drop_after=(100_000,)) as server,
        pytest.raises(SessionLost),
        hand(server, tmp_path) as opened,
    ):
        script(opened, f"RETR 1 > {target}")
    assert not target.exists()


def test_quit_without_an_answer(tmp_path: Path) -> None:
    """When the connection breaks at QUIT, what became of the marked messages is not known."""
    with FaultyPop3(MAIL, replies={"QUIT": b"nonsense\r\n"}) as server:
        with hand(server, tmp_path) as opened, pytest.raises(SessionLost) as caught:
            script(opened, "DELE 1", "QUIT", sure=True)
        assert "did not say whether it deleted 1" in caught.value.message
        assert "LIST" in caught.value.hint


def test_a_refused_login(tmp_path: Path) -> None:
    """A server that does not let the account in ends it there."""
    with (
        FaultyPop3(MAIL, refuse_login="[AUTH] no") as server,
        pytest.raises(LoginRefused),
        hand(server, tmp_path),
    ):
        pass


def test_a_talk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person sees all that is said, without the password; a mail sends nothing to the screen."""
    with FaultyPop3(MAIL[:2], greeting=b"+OK hello\r\n") as server:
        with hand(server, tmp_path, Screen()) as opened:
            lines = ("stat", "", "xyzzy", "retr 1", "help", "dele 2", "quit", "rset", "quit")
            converse(opened, person(*lines), person("no"))
        assert after_login(server) == ["STAT", "RETR 1", "DELE 2", "RSET", "QUIT"]
        assert len(server.mailbox) == 2
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "secret" not in shown
    assert "AHVzZXIAc2VjcmV0" not in shown
    for line in (
        *("S: +OK hello", "C: AUTH PLAIN ****", "C: STAT", "C: RETR 1", "Subject: 1"),
        *(
            ".dot\N{REPLACEMENT CHARACTER}[31m",
            f"S: ({len(MAIL[0][1])} octets)",
            "C: DELE 2",
            "S: +OK bye",
        ),
        "error: XYZZY is no command of POP3 that can be used here",
        "QUIT was not sent; RSET takes marks back, Ctrl-D leaves and deletes nothing",
    ):
        assert f"\n{line}\n" in f"\n{shown}", line


def test_a_talk_that_deletes(tmp_path: Path) -> None:
    """QUIT deletes once a person typed yes to the question that names what it deletes."""
    asked: list[str] = []

    def confirm(question: str) -> str:
        asked.append(question)
        return "yes"

    with FaultyPop3(MAIL) as server, hand(server, tmp_path, Screen()) as opened:
        converse(opened, person("DELE 7", "DELE 1", "DELE 4", "QUIT"), confirm)
        assert [one.uidl for one in server.mailbox] == ["u2", "u3", "u5", "u6"]
    assert asked == ["QUIT deletes 3 messages for good: 1, 4, 7. Type yes: "]


@pytest.mark.parametrize("key", [EOFError, KeyboardInterrupt])
@pytest.mark.parametrize("asked", [False, True])
def test_leaving_a_talk(
    key: type[BaseException],
    asked: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-D and Ctrl-C drop the connection, at the question too, and it is said what that does."""
    lines = ("DELE 1", "QUIT") if asked else ("DELE 1", key)
    with FaultyPop3(MAIL) as server:
        with hand(server, tmp_path) as opened:
            if key is EOFError:
                converse(opened, person(*lines), person(key))
            else:
                with pytest.raises(KeyboardInterrupt):
                    converse(opened, person(*lines), person(key))
        assert after_login(server) == ["DELE 1"]
        assert len(server.mailbox) == 7
    assert "dropped without QUIT: nothing is deleted" in capsys.readouterr().err


def test_a_long_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a long message the beginning is shown, and where the rest can be had."""
    octets = b"Subject: long\r\n\r\n" + b"line\r\n" * 50_000
    with FaultyPop3([("u", octets)]) as server, hand(server, tmp_path) as opened:
        converse(opened, person("retr 1", "quit"), person())
    shown = capsys.readouterr().err
    assert len(shown) < 70_000
    left = len(octets) - 64 * 1024
    assert f"({left:,} more octets are not shown: RETR 1 > FILE writes all of it)" in shown


def test_a_file_from_a_talk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be written is no reason to hang up."""
    target = tmp_path / "m.eml"
    with FaultyPop3(MAIL) as server, hand(server, tmp_path) as opened:
        line = f"retr 2 > {target}"
        converse(opened, person(line, line, "stat", "quit"), person())
        assert after_login(server) == ["RETR 2", "STAT", "QUIT"]
    assert target.read_bytes() == MAIL[1][1]
    shown = capsys.readouterr().err
    assert f"{target} holds its exact octets" in shown
    assert f"error: {target} is there already" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("tab\there", "tab     here"),
        ("\x1b]0;title\x07", "\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER}"),
        ("\x9b31m", "\N{REPLACEMENT CHARACTER}31m"),
        ("a\rb", "a\N{REPLACEMENT CHARACTER}b"),
        ("txt\N{RIGHT-TO-LEFT OVERRIDE}exe", "txt\N{REPLACEMENT CHARACTER}exe"),
    ],
)
def test_harmless(text: str, shown: str) -> None:
    """Nothing that a terminal obeys, and nothing that turns text around, is shown."""
    assert harmless(text) == shown


def test_shown_in_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    """A message looks the same however its octets were cut."""
    octets = "Grüße\r\n\r\nlast".encode()
    shown = Shown()
    for at in range(len(octets)):
        shown.take(octets[at : at + 1])
    shown.close("")
    assert capsys.readouterr().err == "Grüße\n\nlast\n"


def test_many_numbers() -> None:
    """Of very many messages the first are named, and how many more there are."""
    assert named(range(1, 4)) == "1, 2, 3"
    assert named(range(1, 31)).endswith("19, 20 and 10 more")


def test_a_large_message_as_json(tmp_path: Path, monkeypatch: Any) -> None:
    """A message that is too large to be printed as JSON is refused in words."""
    monkeypatch.setattr("archiver.cli.script.JSON_OCTETS", 10)
    with FaultyPop3(MAIL) as server, hand(server, tmp_path) as opened:
        with pytest.raises(UsageError, match="larger than --json prints"):
            script(opened, "RETR 1", as_json=True)
        script_after = pytest.raises(SessionLost)
        with script_after:
            script(opened, "STAT")
