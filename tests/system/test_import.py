"""Mail that people already have in files, into the same archive and out of it again."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from command import Archiver, account_of, one_clear_line, source
from ledger_dump import dump
from letters import FORWARDED, HOSTILE, WITH_LOGO

from archiver.ledger import Ledger
from infra.bench.mailbox import make_messages
from infra.fixtures import Mailbox

FROM = b"From jane@example.com Fri Dec 13 20:11:21 2002\n"
SUM = ("known", "linked", "fetched", "failed", "vanished", "remaining")


def letters(count: int, seed: int = 3) -> list[bytes]:
    """Messages with LF as line ends, as files have them."""
    return [each.replace(b"\r\n", b"\n") for each in make_messages(count, "mixed", seed)]


def maildir(path: Path, messages: Iterable[bytes], folder: str = "") -> Path:
    """A maildir with these messages in one of its folders."""
    for name in ("cur", "new", "tmp"):
        (path / folder / name).mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(messages):
        (path / folder / "cur" / f"{number}.host:2,S").write_bytes(message)
    return path


def mbox(path: Path, messages: Iterable[bytes]) -> Path:
    """An mbox as mboxrd has it."""
    with path.open("wb") as box:
        for message in messages:
            lines = message.split(b"\n")
            quoted = [b">" + x if x.lstrip(b">").startswith(b"From ") else x for x in lines]
            box.write(FROM + b"\n".join(quoted) + b"\n")
    return path


def archived(home: Path, store: str = "archive") -> list[bytes]:
    """The messages in a store that is a directory."""
    return sorted(path.read_bytes() for path in (home / store).glob("mail/*/*/*/*/*/*.eml"))


def sent(message: bytes) -> bytes:
    """A message as it is on the wire."""
    return message.replace(b"\n", b"\r\n")


@pytest.fixture
def run(tmp_path: Path) -> Archiver:
    """The command, in a home of its own."""
    return Archiver(tmp_path)


def adds_up(done: dict[str, Any]) -> bool:
    """Whether every message that was met is accounted for."""
    return bool(done["listed"] == sum(done[name] for name in SUM))


def test_from_files_to_what_was_lost(run: Archiver, tmp_path: Path) -> None:
    """Maildir, mbox and .eml: stored, found, proven, rebuilt, and never imported twice."""
    one, two, three = letters(30)[:10], letters(30)[10:20], letters(30)[20:]
    maildir(tmp_path / "md", one[:6])
    maildir(tmp_path / "md", one[6:], ".Old.2020")
    mbox(tmp_path / "box.mbox", [*two, one[0]])
    for number, message in enumerate(three):
        (tmp_path / "tree" / str(number % 3)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / str(number % 3) / f"{number}.eml").write_bytes(sent(message))
    paths = ("md", "box.mbox", "tree")
    before = _look(tmp_path, paths)
    done = run("import", *paths, "--store", "archive", "--state", "s", "--json").record
    counted = {name: done[name] for name in (*SUM, "listed", "archived")}
    assert counted == {
        **dict.fromkeys(SUM, 0),
        "listed": 31,
        "linked": 1,
        "fetched": 30,
        "archived": 30,
    }
    assert (done["account"], adds_up(done)) == ("import", True)
    assert archived(tmp_path) == sorted(map(sent, one + two + three))
    assert _look(tmp_path, paths) == before

    hits = run("search", "example", "--state", "s", "--limit", "99", "--json").records
    assert len(hits) == 30
    assert {hit["accounts"][0] for hit in hits} == {"import"}
    run("audit", "--store", "archive", "--state", "s")
    with Ledger.open(tmp_path / "s/ledger.db") as ledger:
        known = dump(ledger)
    assert sum('"INBOX"' in str(row) for row in known["messages"]) == 6
    (tmp_path / "s").rename(tmp_path / "lost")
    run("rebuild", "--store", "archive", "--state", "s")
    with Ledger.open(tmp_path / "s/ledger.db") as ledger:
        assert dump(ledger) == known
    assert len(run("search", "example", "--state", "s", "--limit", "99", "--json").records) == 30

    again = run("import", *paths, "--state", "s", "--json").record
    assert (again["listed"], again["known"], again["fetched"], again["archived"]) == (31, 31, 0, 0)
    assert again["head"] == done["head"]
    assert len(archived(tmp_path)) == 30
    (status,) = run("status", "--state", "s", "--json").records
    assert (status["account"], status["stages"]["archived"]) == ("import", 30)


def _look(home: Path, paths: Iterable[str]) -> list[tuple[Any, ...]]:
    """Every file below these paths, with its octets and times."""
    files = [p for path in paths for p in [home / path, *sorted((home / path).rglob("*"))]]
    return [
        (file, status.st_mtime_ns, status.st_mode, file.is_file() and file.read_bytes())
        for file in files
        for status in [file.stat()]
    ]


def test_together_with_a_server(archiver: Archiver, mailbox: Mailbox, tmp_path: Path) -> None:
    """The server's own maildir is known octet for octet; the rest joins, and never leaves."""
    odd = (b"", b"\n", b"no header at all")
    plain = [each for each in HOSTILE if b"\r\n" not in each and each not in odd]
    mailbox.add([*letters(20), *plain, FORWARDED, *WITH_LOGO])
    options = [*source(mailbox), "--store", "archive", "--state", "s", "--json"]
    first = archiver("run", *options).record
    held = tmp_path / "copy"
    maildir(held, mailbox.left())
    (held / "cur" / "extra").write_bytes(b"Subject: extra\n\nonly in the file\n")
    name = account_of(mailbox)
    bring = ("import", held, "--account", name.upper(), "--state", "s", "--json")
    done = archiver(*bring).record
    assert (done["account"], done["known"], done["fetched"]) == (name, first["listed"], 1)
    again = archiver("run", *options).record
    assert (again["listed"], again["known"], again["vanished"]) == (first["listed"],) * 2 + (0,)
    (plan,) = archiver("prune", "--dry-run", *options, "--yes-delete-all").records[-1:]
    assert plan["planned"] == first["listed"]
    gone = archiver("run", *options, "--delete", "verified", "--yes-delete-all").record
    assert gone["gone"] == first["listed"]
    assert mailbox.left() == []
    stages = archiver("status", "--state", "s", "--json").record["stages"]
    assert (stages["archived"], stages["gone"]) == (1, first["listed"])


def test_killed_again_and_again(run: Archiver, tmp_path: Path) -> None:
    """However often an import is killed, in the end each message is there, and once."""
    messages = letters(800, seed=8)
    maildir(tmp_path / "md", messages[:400])
    mbox(tmp_path / "box", messages[400:])
    options = ("import", "md", "box", "--store", "archive", "--state", "s", "--workers", "1")
    for seconds in (0.5, 0.8, 1.1, 1.5):
        run.kill_after(seconds, *options)
    done = run(*options, "--json").record
    assert adds_up(done)
    assert (done["listed"], done["known"] + done["fetched"]) == (800, 800 - done["linked"])
    assert archived(tmp_path) == sorted(set(map(sent, messages)))
    assert not list((tmp_path / "s/spool").rglob("*.seg"))
    run("audit", "--store", "archive", "--state", "s")
    last = run(*options, "--json").record
    assert (last["known"], last["fetched"], last["archived"]) == (800, 0, 0)


def test_source_that_is_gone(run: Archiver, tmp_path: Path) -> None:
    """What an import that was cut off left in the spool is finished without its source."""
    maildir(tmp_path / "md", letters(1200))
    options = ("--store", "archive", "--state", "s")
    process = run.start("import", "md", *options, "--workers", "1")
    while not list((tmp_path / "s/spool").glob("*/*.seg")) and process.poll() is None:
        pass
    process.kill()
    process.communicate()
    shutil.rmtree(tmp_path / "md")
    run("import", *options)
    assert not list((tmp_path / "s/spool").rglob("*.seg"))
    with Ledger.open(tmp_path / "s/ledger.db") as ledger:
        known = ledger.value("SELECT count(*) FROM messages")
        assert known == ledger.value("SELECT count(*) FROM messages WHERE stage = 'archived'")
    assert len(archived(tmp_path)) == known


def test_what_cannot_be_taken(run: Archiver, tmp_path: Path) -> None:
    """A message that is too large, or no file, is listed; all others are archived; exit code 3."""
    (tmp_path / "archiver.toml").write_text(
        'state = "s"\n[store]\nurl = "archive"\n[accounts.old]\n'
        'server = "pop3s://me@pop.example.com"\nmax_message = "10KiB"\n'
    )
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a\x1b[2Jb.eml").write_bytes(b"Subject: large\n\n" + b"x" * 20_000)
    (tree / "grows.eml").write_bytes(b"Subject: grows\n\n" + b"\n" * 8_000)
    (tree / "small.eml").write_bytes(b"Subject: small\n\nx\n")
    (tree / "link.eml").symlink_to(tree / "small.eml")
    done = run("import", "tree", "--account", "old", "--json", code=3)
    assert (done.record["listed"], done.record["failed"], done.record["fetched"]) == (3, 2, 1)
    assert adds_up(done.record)
    assert "grows.eml: larger than max_message" in done.stderr
    assert "\\x1b[2Jb.eml': larger than max_message" in done.stderr
    assert "left out: 1 symbolic links" in done.stderr
    assert "\x1b" not in done.stderr
    assert archived(tmp_path) == [b"Subject: small\r\n\r\nx\r\n"]


def test_index_that_is_lost(run: Archiver, tmp_path: Path) -> None:
    """A new index is filled with what was imported by whatever fills it."""
    (tmp_path / "archiver.toml").write_text(
        'state = "s"\n[store]\nurl = "archive"\n[accounts.work]\n'
        'server = "pop3s://me@pop.example.com"\n'
    )
    maildir(tmp_path / "md", letters(5))
    run("import", "md")
    for file in (tmp_path / "s").glob("index.db*"):
        file.unlink()
    run("index")
    assert len(run("search", "example", "--json").records) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "nothing cannot be read: No such file or directory"),
        (["md", "--account", ""], "--account: '' is no name"),
        (["md", "--mbox", "mboxx"], "--mbox: 'mboxx' is no kind of mbox"),
        (["mail.pst"], "an Outlook file takes readpst to read, which is not installed"),
        (["mail.gz"], "mail.gz is compressed"),
    ],
)
def test_mistakes(run: Archiver, tmp_path: Path, arguments: list[str], said: str) -> None:
    """What cannot be meant is refused in one line, and nothing is made."""
    (tmp_path / "md").mkdir()
    (tmp_path / "mail.pst").write_bytes(b"!BDN" + bytes(100))
    (tmp_path / "mail.gz").write_bytes(b"\x1f\x8b\x08" + bytes(100))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/env").symlink_to(shutil.which("env") or "")
    without = {"PATH": str(tmp_path / "bin")}
    done = run("import", *arguments, "--store", "a", "--state", "s", code=2, environment=without)
    assert one_clear_line(done) == said
    assert not (tmp_path / "s").exists()
    assert not (tmp_path / "a").exists()


def test_nothing_there(run: Archiver, tmp_path: Path) -> None:
    """A path without any mail is no failure, and that it has none is said."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("a note")
    done = run("import", "notes", "--store", "archive", "--state", "s")
    assert "no mail was found there" in done.stderr
    assert "left out: 1 files that are no mail" in done.stderr


def test_what_was_exported(run: Archiver, tmp_path: Path) -> None:
    """What export writes gives the same octets when it is imported: all of them are known."""
    maildir(tmp_path / "md", [*letters(6), *HOSTILE, FORWARDED, *WITH_LOGO])
    first = run("import", "md", "--store", "archive", "--state", "s", "--json").record
    for form in ("maildir", "eml", "mbox"):
        run("export", f"as-{form}", "--format", form, "--state", "s")
        again = run("import", f"as-{form}", "--state", "s", "--json").record
        # In an mbox, a message without any header field is text of the one before.
        changed = 2 if form == "mbox" else 0
        assert again["known"] == first["fetched"] - changed, form
        assert again["fetched"] == changed // 2, form
