"""A server that removes at QUIT what was retrieved: QUIT is a deletion there."""

import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from by_hand import check_archive, check_chains, objects_in_directory
from command import PASSWORD, Archiver

from infra.faulty_pop3 import FaultyPop3

ACCOUNT = "user@127.0.0.1"


def messages(count: int) -> list[tuple[str, bytes]]:
    """Messages with a UIDL each."""
    return [(f"u{n}", b"Subject: number %d\r\n\r\ntext\r\n" % n) for n in range(count)]


def sessions(commands: list[str]) -> list[list[str]]:
    """The commands heard, session by session, from its login on."""
    found: list[list[str]] = []
    for command in commands:
        if command.startswith(("AUTH", "USER")):
            found.append([])
        if found:
            found[-1].append(command)
    return found


def retrieved(commands: list[str]) -> int:
    """How many messages were asked for."""
    return sum(command.startswith("RETR") for command in commands)


def retrieved_before_quit(server: FaultyPop3) -> int:
    """How many messages were asked for in sessions that ended with QUIT: those it removes."""
    return sum(retrieved(session) for session in sessions(server.commands) if "QUIT" in session)


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with the password of the server in this process."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


def options(server: FaultyPop3, store: str = "archive") -> tuple[str, ...]:
    """The options that name the server and a store."""
    url = f"pop3+plain://user@127.0.0.1:{server.port}"
    return ("--server", url, "--password-env", PASSWORD, "--store", store, "--state", "s")


def at_quit(server: FaultyPop3, look: Callable[[], None]) -> None:
    """Has ``look`` called whenever QUIT is heard, before it takes effect."""

    class Watched(list[str]):
        def append(self, command: str) -> None:
            super().append(command)
            if command == "QUIT":
                look()

    server.commands = Watched()


def test_quit_only_when_all_is_archived(archiver: Archiver) -> None:
    """At each QUIT, all that is about to be removed is in the store and named by a manifest."""
    everything = messages(700)
    looks: list[int] = []
    with FaultyPop3(everything, expire=0) as server:

        def look() -> None:
            so_far = retrieved(server.commands)
            objects = objects_in_directory(archiver.home / "archive")
            check_archive(objects, ACCOUNT, [octets for _, octets in everything[:so_far]])
            looks.append(so_far)

        at_quit(server, look)
        report = archiver("run", *options(server), "--json").record
        assert server.mailbox == []
        assert list(map(retrieved, sessions(server.commands))) == [300, 300, 100, 0]
    assert looks == [300, 600, 700, 700]
    assert (report["listed"], report["fetched"], report["archived"]) == (700, 700, 700)


def test_no_quit_while_the_store_is_down(archiver: Archiver) -> None:
    """With no store the session is dropped, the server keeps all, and a later run archives it."""
    everything = messages(40)
    (archiver.home / "in-the-way").write_text("a file")
    with FaultyPop3(everything, expire=0) as server:
        archiver("run", *options(server, "in-the-way/archive"), code=6)
        assert retrieved_before_quit(server) == 0
        assert retrieved(server.commands) == 40
        assert len(server.mailbox) == 40
        (archiver.home / "in-the-way").unlink()
        (archiver.home / "in-the-way").mkdir()
        archiver("run", *options(server, "in-the-way/archive"))
        objects = objects_in_directory(archiver.home / "in-the-way" / "archive")
        check_archive(objects, ACCOUNT, [octets for _, octets in everything])


def test_fetch_alone_never_quits(archiver: Archiver) -> None:
    """Without the stages that archive, nothing that was retrieved may be removed."""
    with FaultyPop3(messages(320), expire=0) as server:
        archiver("fetch", *options(server))
        assert retrieved_before_quit(server) == 0
        assert max(map(retrieved, sessions(server.commands))) == 300
        assert len(server.mailbox) == 320
        archiver("upload", *options(server))
        archiver("verify", *options(server))
        objects = objects_in_directory(archiver.home / "archive")
        check_archive(objects, ACCOUNT, [octets for _, octets in messages(320)])


def test_a_keeping_server_is_left_with_quit(archiver: Archiver) -> None:
    """Where QUIT removes nothing, one session takes all and ends politely."""
    with FaultyPop3(messages(320)) as server:
        archiver("run", *options(server))
        assert server.sessions == 1
        assert server.commands[-1] == "QUIT"
        assert len(server.mailbox) == 320


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment(seed: int, archiver: Archiver) -> None:
    """Whenever it is killed, what has left the server is in the store, and in the end all is."""
    everything = messages(650)
    chance = random.Random(seed)
    with FaultyPop3(everything, expire=0) as server:
        for _ in range(2):
            archiver.kill_after(chance.uniform(0.4, 1.8), "run", *options(server))
            left = {message.octets for message in server.mailbox}
            gone = [octets for _, octets in everything if octets not in left]
            objects = objects_in_directory(archiver.home / "archive")
            assert {sha256(octets).hexdigest() for octets in gone} <= set(archived(objects))
        archiver("run", *options(server))
    objects = objects_in_directory(archiver.home / "archive")
    check_archive(objects, ACCOUNT, [octets for _, octets in everything])


def archived(objects: dict[str, bytes]) -> list[str]:
    """The digests that an account's manifests say are archived."""
    records = check_chains(objects, ACCOUNT)
    return [record["digest"] for record in records if record["kind"] in ("archived", "linked")]
