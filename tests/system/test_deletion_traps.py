"""Deletion, as a whole, on servers that have their own way with DELE, QUIT and UIDLs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from by_hand import check_archive, check_chains, objects_in_directory
from command import PASSWORD, Archiver, Done, one_clear_line

from infra.faulty_pop3 import FaultyPop3, Message

ACCOUNT = "user@127.0.0.1"
EMPTY = ("--delete", "verified", "--yes-delete-all")


def letter(word: str) -> bytes:
    """A message that its header identifies."""
    return f"Message-ID: <{word}@example.com>\r\nSubject: x\r\n\r\n{word}\r\n".encode()


@dataclass
class Trap:
    """A server, and the command over it; nothing may leave that is not in the store by then."""

    server: FaultyPop3
    archiver: Archiver
    lost: list[bytes] = field(default_factory=list)

    def __call__(self, verb: str, *options: str, code: int = 0) -> Done:
        """Runs a command, with the options that name server and store."""
        url = f"pop3+plain://user@127.0.0.1:{self.server.port}"
        place = ("--password-env", PASSWORD, "--store", "archive", "--state", "s")
        return self.archiver(verb, "--server", url, *place, "--json", *options, code=code)

    @property
    def objects(self) -> dict[str, bytes]:
        """What the store holds."""
        return objects_in_directory(self.archiver.home / "archive")

    @property
    def left(self) -> list[bytes]:
        """What the server holds."""
        return [message.octets for message in self.server.mailbox]

    def look(self, _: Sequence[Message], going: Sequence[Message]) -> None:
        """Called at each QUIT."""
        there = set(self.objects.values())
        self.lost += [message.octets for message in going if message.octets not in there]

    def misbehave(self, **faults: Any) -> None:
        """Changes how the server behaves from now on."""
        self.server.faults = replace(self.server.faults, **faults)


@contextmanager
def trap(home: Path, *words: str, **faults: Any) -> Iterator[Trap]:
    """A mailbox of these messages, each under its word as UIDL."""
    messages = [(word, letter(word)) for word in words]
    with FaultyPop3(messages, **faults) as server:
        made = Trap(server, Archiver(home, {PASSWORD: "secret"}))
        server.onlooker = made.look
        yield made
    assert made.lost == []


def test_server_that_retires_what_was_retrieved(tmp_path: Path) -> None:
    """Where QUIT itself takes mail, archiving has emptied the mailbox, and deletion finds nothing.

    What then comes back, to a session that was dropped, is deleted as anything else.
    """
    with trap(tmp_path, "one", "two", expire=0) as made:
        report = made("run", *EMPTY).record
        assert (report["archived"], report["deleted"], made.left) == (2, 0, [])
        made.server.mailbox.append(Message("two", letter("two")))
        report = made("run", *EMPTY).record
        assert (report["known"], report["deleted"], report["gone"], made.left) == (1, 1, 1, [])
        check_archive(made.objects, ACCOUNT, [letter("one"), letter("two")])


def test_server_that_does_not_say_that_it_retires(tmp_path: Path) -> None:
    """The same without an announcement: nothing is lost, and nothing is done twice."""
    with trap(tmp_path) as made:
        made.server.onlooker = None
        made.server.mailbox += [Message(word, letter(word)) for word in ("one", "two")]
        made.misbehave(hides=True)
        assert made("run", *EMPTY).record["archived"] == 2
        assert made.left == []
        assert made("run", *EMPTY).record["listed"] == 0
        check_archive(made.objects, ACCOUNT, [letter("one"), letter("two")])


def test_confirmation_is_left_to_the_next_run(tmp_path: Path) -> None:
    """A server that wants time between logins tells the next run what is gone."""
    with trap(tmp_path, "one", "two", login_delay=1, enforces_delay=True) as made:
        made("run")
        pruned = made("prune", "--yes-delete-all")
        assert "the next run confirms the deletion of 2 messages" in pruned.stderr
        report = pruned.record
        assert (report["deleted"], report["gone"], report["unconfirmed"]) == (2, 0, 2)
        assert made("run").record["gone"] == 2
        assert made.server.attempts == made.server.logins
        kinds = [record["kind"] for record in check_chains(made.objects, ACCOUNT)]
        assert (kinds.count("deleted"), kinds.count("gone")) == (2, 2)


@pytest.mark.parametrize("command", ["DELE", "QUIT"])
def test_dropped_on_the_way(tmp_path: Path, command: str) -> None:
    """A connection that is lost at DELE or at QUIT is tried again by the same run."""
    with trap(tmp_path, "one", "two", "three") as made:
        made("run")
        before = len(made.server.commands)
        made("prune", "--dry-run")
        commands = ["CAPA", "AUTH", "CAPA", "STAT", "UIDL", "LIST", *["TOP"] * 3, *["DELE"] * 3]
        commands += ["STAT", "LIST", "QUIT"]
        cut = commands.index(command) + 1
        made.misbehave(drop_at=[None] * made.server.sessions + [cut])
        report = made("prune", "--yes-delete-all").record
        heard = [line.split()[0] for line in made.server.commands[before:]]
        assert heard[:cut] == commands[:cut]
        assert (report["deleted"], report["gone"], made.left) == (3, 3, [])


def test_refusals(tmp_path: Path) -> None:
    """What the server refuses to delete stays, is told by message and in a line: exit code 3."""
    with trap(tmp_path, "one", "two") as made:
        made("run")
        made.misbehave(undeletable={1})
        done = made("prune", "--yes-delete-all", code=3)
        assert one_clear_line(done).endswith("not deleted: 1 the server refused to delete it")
        assert (done.record["deleted"], done.record["kept"]) == (1, {"refused": 1})
        made.misbehave(undeletable=frozenset(), refuse_quit="cannot update")
        done = made("prune", "--yes-delete-all", code=3)
        assert one_clear_line(done).endswith("not deleted: 1 the server lists it after all")
        assert made.left == [letter("one")]
        made.misbehave(refuse_quit=None)
        assert made("prune", "--yes-delete-all").record["deleted"] == 1
        said = [one["said"] for one in check_chains(made.objects, ACCOUNT) if "said" in one]
        assert said[::2] == ["bye", "bye"]
        assert said[1].endswith("refused QUIT: cannot update")


def test_server_that_deletes_more_than_it_is_told(tmp_path: Path) -> None:
    """Where the count is wrong after DELE nothing is deleted, said in a line: exit code 3."""
    with trap(tmp_path, "one", "two", "new") as made:
        made("run", "--limit", "2")
        made.misbehave(overdoes=True)
        done = made("prune", "--yes-delete-all", code=3)
        assert "after DELE the server counts 1 messages where 2 ought to be" in one_clear_line(done)
        assert done.record["deleted"] == 0
        assert len(made.left) == 3


def test_uidl_that_is_given_to_another_message(tmp_path: Path) -> None:
    """An equally long message under an archived one's UIDL stays, is fetched, and then goes."""
    with trap(tmp_path, "one", "two") as made:
        made("run")
        made.server.mailbox[0].octets = letter("new")
        done = made("prune", "--yes-delete-all", code=3)
        assert "the next run fetches them" in done.stderr
        assert (done.record["deleted"], done.record["kept"]) == (1, {"identity-not-shown": 1})
        report = made("run", *EMPTY).record
        assert (report["fetched"], report["deleted"], made.left) == (1, 1, [])
        check_archive(made.objects, ACCOUNT, map(letter, ("one", "two", "new")))
