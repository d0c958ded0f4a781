"""Messages that a server refuses again and again, and the person who decides about them."""

from dataclasses import replace
from pathlib import Path

import pytest
from by_hand import check_archive, objects_in_directory
from command import PASSWORD, Archiver, one_clear_line

from infra.faulty_pop3 import FaultyPop3

ACCOUNT = "user@127.0.0.1"
ODD = "it's a $UIDL \xe9\x1b[2J"
MESSAGES = [
    (uidl, b"Message-ID: <%d@example.com>\r\n\r\ntext %d\r\n" % (n, n))
    for n, uidl in enumerate(["u0", ODD, "u2", "u3"])
]
STATE = ("--state", "s")


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with the password of the server in this process."""
    return Archiver(tmp_path, {PASSWORD: "secret"})


def run(archiver: Archiver, server: FaultyPop3, code: int = 0) -> dict[str, object]:
    """A run, which gives up a message after two tries."""
    (archiver.home / "archiver.toml").write_text(
        f'state = "s"\n[store]\nurl = "archive"\n[accounts."{ACCOUNT}"]\n'
        f'server = "pop3+plain://user@127.0.0.1:{server.port}"\n'
        f'password_env = "{PASSWORD}"\ntries = 2\n'
    )
    return archiver("run", "--json", code=code).record


def test_from_refusal_to_archive(archiver: Archiver) -> None:
    """A refused message fails, is held, is shown so that it can be copied, released, archived."""
    with FaultyPop3(MESSAGES, refuse={2: "disk error", 3: "gone bad"}) as server:
        first = run(archiver, server, code=3)
        assert (first["fetched"], first["failed"], first["held"]) == (2, 2, 0)
        second = run(archiver, server, code=3)
        assert (second["known"], second["failed"], second["held"]) == (2, 2, 2)
        shown = archiver("status", "--problems", *STATE)
        assert "\x1b" not in shown.stdout
        lines = shown.stdout.splitlines()
        assert lines[1].split("  ") == [
            ACCOUNT,
            "u2",
            "held after 2 tries: the server refused it: gone bad",
        ]
        word = lines[0].split("  ")[1]
        assert word.startswith("$'")
        assert archiver("status", *STATE).stdout.count("held") == 1

        done = archiver("release", ACCOUNT, ODD, *STATE)
        assert f"{ACCOUNT}  {word}  is tried again; it was held: " in done.stdout
        server.faults = replace(server.faults, refuse={})
        third = run(archiver, server, code=3)
        assert (third["known"], third["fetched"], third["failed"]) == (2, 1, 1)

        record = archiver("release", ACCOUNT.upper(), "--all", "--json", *STATE).record
        assert (record["uidl"], record["problem"], record["tries"]) == ("u2", "held", 2)
        assert run(archiver, server)["fetched"] == 1
        assert "nothing failed or is held" in archiver("release", ACCOUNT, "--all", *STATE).stdout
    objects = objects_in_directory(archiver.home / "archive")
    check_archive(objects, ACCOUNT, [octets for _, octets in MESSAGES])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([ACCOUNT], "name UIDLs or --all"),
        ([ACCOUNT, "u2", "--all"], "name UIDLs or --all"),
        ([ACCOUNT, "u2", "u9"], "no message with the UIDL 'u9'"),
        ([ACCOUNT, "u0"], "no message with the UIDL 'u0'"),
        (["nobody", "--all"], "nothing was ever archived from nobody"),
    ],
)
def test_what_cannot_be_released(archiver: Archiver, arguments: list[str], said: str) -> None:
    """What is not there is a usage error, and then nothing is released."""
    with FaultyPop3(MESSAGES, refuse={3: "no"}) as server:
        run(archiver, server, code=3)
    done = archiver("release", *arguments, *STATE, code=2)
    assert said in one_clear_line(done)
    assert "u2" in archiver("status", "--problems", *STATE).stdout


def test_no_ledger(archiver: Archiver) -> None:
    """Where nothing was ever archived there is nothing to release."""
    done = archiver("release", ACCOUNT, "--all", *STATE, code=2)
    assert one_clear_line(done).startswith("nothing was ever archived from ")
    assert not (archiver.home / "s" / "ledger.db").exists()
