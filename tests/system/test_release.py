"""Messages that a server refuses again and again, and the person who decides about them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from by_hand import check_archive, objects_in_directory
from command import PASSWORD, Archiver, one_clear_line

from archiver.state import AccountLock
from infra.faulty_pop3 import FaultyPop3, Message

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
        account, uidl, what = lines[1].split("  ")
        assert (account, uidl) == (ACCOUNT, "u2")
        assert re.fullmatch("held after 2 tries, since .*: the server refused it: gone bad", what)
        assert "archiver release ACCOUNT UIDL" in shown.stderr
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


def test_given_up_and_taken_back(archiver: Archiver) -> None:
    """A message that is given up is shown, left alone, told of, and fetched when taken back."""
    with FaultyPop3(MESSAGES, refuse={3: "gone bad"}) as server:
        run(archiver, server, code=3)
        run(archiver, server, code=3)
        waits = archiver("status", "--problems", "--json", *STATE).record
        assert (waits["uidl"], waits["problem"], waits["octets"]) == ("u2", "held", 39)
        assert "--give-up" in waits["do"]

        done = archiver("release", ACCOUNT, "u2", "--give-up", *STATE)
        assert f"{ACCOUNT}  u2  in file://" in done.stdout
        assert "never fetched: 39 B by LIST" in done.stdout
        assert f"{ACCOUNT}  u2  is given up and stays on the server; it was held: " in done.stdout
        heard = len(server.commands)
        for _ in range(2):
            report = run(archiver, server)
            assert (report["known"], report["failed"], report["held"]) == (4, 0, 0)
            assert report["given_up"] == 1
        assert not any(line.startswith(("RETR", "DELE")) for line in server.commands[heard:])
        said = archiver("run")
        assert "given up  1 of those known" in said.stderr
        assert "given up" in archiver("status", *STATE).stdout
        assert archiver("status", "--json", *STATE).record["given_up"] == 1
        (waits,) = archiver("status", "--problems", "--json", *STATE).records
        assert (waits["uidl"], waits["problem"]) == ("u2", "given_up")
        assert "nothing failed or is held" in archiver("release", ACCOUNT, "--all", *STATE).stdout

        server.faults = replace(server.faults, refuse={})
        assert run(archiver, server)["fetched"] == 0
        record = archiver("release", ACCOUNT, "u2", "--json", *STATE).record
        assert (record["problem"], record["decision"]) == ("given_up", "try_again")
        assert run(archiver, server)["fetched"] == 1
    records = check_archive(
        objects_in_directory(archiver.home / "archive"), ACCOUNT, [one for _, one in MESSAGES]
    )
    told = [one for one in records if one["kind"] in ("held", "released")]
    assert [one["kind"] for one in told] == ["held", "released", "released"]
    assert [one.get("given_up") for one in told] == [None, True, None]


def test_deletion_leaves_what_was_given_up(archiver: Archiver) -> None:
    """When a mailbox is emptied, what was given up stays, and the run is done."""
    with FaultyPop3(MESSAGES, refuse={3: "gone bad"}) as server:
        run(archiver, server, code=3)
        archiver("release", ACCOUNT, "u2", "--give-up", *STATE)
        order = ("--delete", "verified", "--yes-delete-all", "--json")
        report = archiver("run", *order).record
        assert (report["deleted"], report["gone"], report["given_up"]) == (3, 3, 1)
        assert [message.uidl for message in server.mailbox] == ["u2"]
        report = archiver("run", *order).record
        assert (report["listed"], report["known"], report["deleted"]) == (1, 1, 0)


def test_versions_of_a_message(archiver: Archiver) -> None:
    """What is archived under a UIDL and what waits there are shown, and nothing else happens."""
    with FaultyPop3(MESSAGES[:1]) as server:
        run(archiver, server)
        server.mailbox[0].octets = b"Subject: another\r\n\r\nand longer than the first\r\n"
        server.faults = replace(server.faults, refuse={1: "no"})
        run(archiver, server, code=3)
    before = (archiver.home / "s" / "ledger.db").read_bytes()
    record = archiver("release", ACCOUNT, "u0", "--show", "--json", *STATE).record
    assert (record["problem"], record["decision"], record["tries"]) == ("failed", None, 1)
    archived, waits = record["versions"]
    assert (archived["stage"], archived["problem"], archived["subject"]) == ("archived", "none", "")
    octets = (archiver.home / "archive" / archived["key"]).read_bytes()
    assert octets == MESSAGES[0][1]
    assert (archived["size"], archived["listed_size"]) == (len(octets), len(octets))
    assert (waits["digest"], waits["size"], waits["listed_size"]) == (None, None, 47)
    shown = archiver("release", ACCOUNT, "u0", "--show", *STATE).stdout.splitlines()
    assert shown[0] == f"{ACCOUNT}  u0  in {record['store']}"
    assert shown[1].startswith(f"  archived {archived['archived_at']}: {len(octets)} B")
    assert shown[1].endswith(archived["key"])
    assert shown[2].endswith("(no subject)")
    assert shown[3:] == [
        "  never fetched: 47 B by LIST",
        f"      failed after 1 try, since {waits['listed_at']}: the server refused it: no",
    ]
    assert (archiver.home / "s" / "ledger.db").read_bytes() == before


def test_run_under_way(archiver: Archiver) -> None:
    """Nothing is decided while a run is under way; what waits may be looked at."""
    with FaultyPop3(MESSAGES, refuse={3: "no"}) as server:
        run(archiver, server, code=3)
    with AccountLock(archiver.home / "s" / "locks", ACCOUNT, "run"):
        done = archiver("release", ACCOUNT, "u2", "--give-up", *STATE, code=8)
        assert f"account {ACCOUNT} is in use by archiver run, process " in one_clear_line(done)
        archiver("release", ACCOUNT, "u2", "--show", *STATE)
        assert archiver("status", "--problems", "--json", *STATE).record["problem"] == "failed"


def test_octets_in_the_spool(archiver: Archiver) -> None:
    """Octets that went bad in the spool are shown, kept when given up, and go when discarded."""
    spool = archiver.home / "s" / "spool"
    with FaultyPop3(MESSAGES[:1]) as server:
        run(archiver, server)
        server.mailbox += [Message("u9", b"Subject: precious\r\n\r\ntext\r\n")]
        archiver("fetch")
        (segment,) = spool.rglob("*.seg")
        segment.write_bytes(segment.read_bytes().replace(b"text", b"TEXT"))
        run(archiver, server, code=3)
        first, aside = archiver("status", "--problems", "--json", *STATE).records
        assert (first["uidl"], first["problem"], first["octets"]) == ("u9", "failed", 27)
        assert (aside["problem"], aside["count"], aside["octets"]) == ("set_aside", 1, 27)
        assert (spool / first["segment"]).read_bytes() == b"Subject: precious\r\n\r\nTEXT\r\n"
        assert "27 B are set aside" in archiver("status", *STATE).stdout

        done = archiver("release", ACCOUNT, "u9", "--give-up", *STATE).stdout
        assert f"in the spool: 27 B, sha-256 {first['digest']}, {first['segment']}" in done
        assert "precious" in done
        assert "stays on the server, its octets stay in the spool; it had failed: " in done
        assert run(archiver, server)["given_up"] == 1
        assert (spool / first["segment"]).exists()

        done = archiver("release", ACCOUNT, "u9", "--discard", *STATE).stdout
        assert "is tried again, its octets were removed from the spool; it was given up" in done
        assert list(spool.rglob("*.seg")) == []
        assert run(archiver, server)["archived"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([ACCOUNT], "name UIDLs or --all"),
        ([ACCOUNT, "--all", "--give-up"], "want the UIDLs by name"),
        ([ACCOUNT, "--all", "--discard"], "want the UIDLs by name"),
        ([ACCOUNT, "u2", "--show", "--give-up"], "--show decides nothing"),
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
