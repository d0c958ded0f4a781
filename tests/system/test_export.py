"""Exports of archives that were made by real runs, whole, cut off, and with damage."""

import contextlib
import hashlib
import json
import mailbox as boxes
import random
import signal
import time
import zipfile
from pathlib import Path

import pytest
from by_hand import Place, read_mailbox
from command import PASSWORD, Archiver, one_clear_line, source
from letters import FORWARDED, HOSTILE, WITH_LOGO

from infra.bench.mailbox import make_messages
from infra.fixtures import Mailbox

MAIL = (*HOSTILE[:12], FORWARDED, *WITH_LOGO)


def digests(directory: Path, pattern: str) -> set[str]:
    """Those of the files below a directory."""
    files = (file for file in directory.rglob(pattern) if file.is_file())
    return {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_every_octet(mailbox: Mailbox, archiver: Archiver, place: Place) -> None:
    """Every message comes out of a directory and a bucket as the server gave it, once."""
    mailbox.add(MAIL)
    held = set(read_mailbox(mailbox.port, mailbox.user, mailbox.password))
    archiver.environment.update(place.environment)
    archiver("run", *source(mailbox), "--store", place.url, "--state", "s")
    where = ("--store", place.url, "--state", "s")

    first = archiver("export", "out", *where, "--json").record
    assert list(first) == [
        *("format", "destination", "found", "exported", "there", "failed", "bytes", "seconds")
    ]
    assert (first["found"], first["exported"], first["failed"]) == (len(held), len(held), [])
    expected = {hashlib.sha256(one).hexdigest() for one in held}
    assert digests(archiver.home / "out", "*.eml") == expected
    again = archiver("export", "out", *where, "--json").record
    assert (again["exported"], again["there"]) == (0, len(held))
    archiver("export", "out.zip", *where)
    with zipfile.ZipFile(archiver.home / "out.zip") as opened:
        assert {opened.read(name) for name in opened.namelist()} == held


def test_what_is_asked_for(mailbox: Mailbox, archiver: Archiver) -> None:
    """A query chooses; without a store to name, the one that the state directory knows is read."""
    mailbox.add(MAIL)
    archiver("run", *source(mailbox), "--store", "archive", "--state", "s")
    found = archiver("search", "has:attachment", "--ids", "--state", "s").stdout.split()
    archiver("export", "has:attachment", "some.jsonl", "--state", "s")
    lines = (archiver.home / "some.jsonl").read_text().splitlines()
    assert {json.loads(line)["digest"] for line in lines} == set(found)
    assert 0 < len(found) < len(MAIL)
    done = archiver("export", "--attachments", "files", "--state", "s", "--json").record
    names = [file.name for file in (archiver.home / "files").iterdir()]
    assert done["failed"] == []
    assert any(name.endswith(".png") for name in names)
    archiver("export", "xyzzyx", "none", "--state", "s", code=9)
    assert not (archiver.home / "none").exists()
    assert "exists already" in one_clear_line(
        archiver("export", "some.jsonl", "--state", "s", code=2)
    )


def written(home: Path, name: str) -> int:
    """How many octets an export has written so far."""
    found = (*(home / name).rglob("*"), *home.glob(f"{name}.partial"))
    return sum(file.stat().st_size for file in found if file.is_file())


def kill_on_the_way(archiver: Archiver, name: str, octets: int, *command: object) -> None:
    """Starts an export and kills it when it has written so much, unless it ends before."""
    process = archiver.start(*command)
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            if written(archiver.home, name) >= octets:
                process.kill()
                break
        time.sleep(0.002)
    _, stderr = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), stderr


@pytest.mark.parametrize("form", ["eml", "maildir", "mbox", "zip", "jsonl"])
def test_killed_and_run_again(mailbox: Mailbox, archiver: Archiver, form: str) -> None:
    """Whenever an export is killed, the next one completes it: no gap, and nothing twice."""
    mailbox.add(make_messages(150, "small", seed=5))
    archiver("run", *source(mailbox), "--store", "archive", "--state", "s")
    command = ("export", "--format", form, "--state", "s")
    archiver(*command, "whole")
    luck = random.Random(form)
    for number in range(2):
        name = f"cut{number}"
        kill_on_the_way(archiver, name, luck.randrange(1, 40_000), *command, name)
        if not (archiver.home / name).is_file():
            archiver(*command, name)
        whole, cut = archiver.home / "whole", archiver.home / name
        if whole.is_dir():
            assert [file.name for file in sorted(cut.rglob("*"))] == [
                file.name for file in sorted(whole.rglob("*"))
            ]
            assert digests(cut, "*") == digests(whole, "*")
        else:
            assert cut.read_bytes() == whole.read_bytes()
        assert not list(archiver.home.glob("*.partial*"))


def test_damage_costs_itself_alone(mailbox: Mailbox, archiver: Archiver) -> None:
    """A message that the store does not hold as it was is listed, and all others are exported."""
    mailbox.add(make_messages(9, "small", seed=6))
    archiver("run", *source(mailbox), "--store", "archive", "--state", "s")
    hurt, lost, *_ = sorted((archiver.home / "archive").rglob("*.eml"))
    hurt.write_bytes(hurt.read_bytes()[:-1] + b"X")
    lost.unlink()
    done = archiver("export", "out", "--state", "s", "--json", code=3).record
    assert {one["digest"] for one in done["failed"]} == {hurt.stem, lost.stem}
    assert done["exported"] == 7
    assert len(digests(archiver.home / "out", "*.eml")) == 7
    shown = archiver("export", "more", "--state", "s", code=3)
    assert hurt.stem in shown.stderr
    assert "7 of 9 messages exported" in shown.stdout


def test_round_trip_of_a_maildir(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """What is exported as a Maildir and served again is archived under the same digests.

    So it is with every message whose lines all end with CRLF, as mail on the wire does.
    """
    mailbox.add((*make_messages(30, "mixed", seed=7), *MAIL))
    archiver("run", *source(mailbox), "--store", "archive", "--state", "s")
    archiver("export", "out", "--format", "maildir", "--state", "s")
    assert len(boxes.Maildir(tmp_path / "out")) == len(list((tmp_path / "out/cur").iterdir()))

    mailbox.server.add_user("again", mailbox.password)
    files = [file.read_bytes() for file in sorted((tmp_path / "out/cur").iterdir())]
    mailbox.server.add("again", [file for file in files if b"\r" not in file])
    other = Mailbox(mailbox.server, "again", mailbox.password)
    archiver("run", *source(other), "--store", "second", "--state", "t")
    first = digests(tmp_path / "archive", "*.eml")
    second = digests(tmp_path / "second", "*.eml")
    assert second <= first
    assert len(second) >= 30
    assert PASSWORD in archiver.environment
