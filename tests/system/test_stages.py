"""The stages one by one, and runs that are killed: every way leads to the same end."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from by_hand import (
    Place,
    bucket_place,
    check_archive,
    directory_place,
    heads,
    read_mailbox,
)
from command import PASSWORD, Archiver, account_of, source
from letters import FORWARDED, HOSTILE, WITH_LOGO, whole_mailbox

from infra.bench.mailbox import make_messages
from infra.dovecot import Dovecot
from infra.fixtures import Mailbox

STAGE_FIELDS = ["account", "stage", "messages", "bytes", "failed", "pending", "seconds"]
STATUS_FIELDS = [
    "account", "store", "stages", "failed", "held", "bytes_archived", "bytes_spooled",
    "oldest_unverified", "distrusted", "last_run", "given_up", "bytes_set_aside",
]  # fmt: skip
HIT_FIELDS = [
    "digest", "message_id", "accounts", "date", "from", "to", "subject", "size", "attachments",
    "snippet", "key", "offset", "length",
]  # fmt: skip
MAIL = (*HOSTILE[:12], FORWARDED, *WITH_LOGO, WITH_LOGO[0])


def stages(status: dict[str, Any]) -> dict[str, int]:
    """The stages at which there are messages."""
    return {stage: count for stage, count in status["stages"].items() if count}


def test_one_stage_after_the_other(mailbox: Mailbox, archiver: Archiver, place: Place) -> None:
    """Each stage does its own part alone, and nothing when it comes again."""
    mailbox.add(MAIL)
    held = read_mailbox(mailbox.port, mailbox.user, mailbox.password)
    distinct, octets = len(set(held)), sum(map(len, set(held)))
    linked = len(held) - distinct
    archiver.environment.update(place.environment)
    options = (*source(mailbox, "pop3s"), "--store", place.url, "--state", "s", "--json")

    def status() -> Any:
        found = archiver("status", "--state", "s", "--json").record
        assert list(found) == STATUS_FIELDS
        assert (found["account"], found["failed"], found["held"]) == (account_of(mailbox), 0, 0)
        return found

    fetched = archiver("fetch", *options).record
    assert (fetched["fetched"], fetched["linked"], fetched["archived"]) == (distinct, linked, 0)
    assert archiver("fetch", *options).record["known"] == len(held)
    found = status()
    assert stages(found) == {"spooled": distinct, "linked": linked}
    assert (found["bytes_spooled"], found["bytes_archived"]) == (octets, 0)
    assert found["oldest_unverified"].endswith("Z")
    assert found["last_run"]["report"]["known"] == len(held)

    first, again = (archiver("upload", *options).record for _ in range(2))
    assert list(first) == STAGE_FIELDS
    assert (first["messages"], first["bytes"]) == (distinct, octets)
    assert (again["messages"], again["bytes"]) == (0, 0)
    assert stages(status()) == {"spooled": distinct, "linked": linked}
    assert not [key for key in place.objects() if key.startswith("manifests/")]

    first, again = (archiver("verify", *options).record for _ in range(2))
    assert (first["messages"], first["pending"]) == (distinct, 0)
    assert (again["messages"], again["pending"]) == (0, 0)
    found = status()
    assert stages(found) == {"archived": distinct, "linked": linked}
    assert (found["bytes_spooled"], found["bytes_archived"]) == (0, octets)
    assert not list((archiver.home / "s" / "spool").rglob("*.seg"))
    objects = place.objects()
    check_archive(objects, account_of(mailbox), held)

    archiver("search", "logo1", "--state", "s", code=2)
    first, again = (archiver("index", *options).record for _ in range(2))
    assert (first["messages"], again["messages"]) == (distinct, 0)
    assert place.objects() == objects
    check_search(archiver, objects)
    assert archiver("run", *options).record["known"] == len(held)
    assert place.objects() == objects


def check_search(archiver: Archiver, objects: dict[str, bytes]) -> None:
    """Search finds a message by its words and says where it lies."""
    hit = archiver("search", "logo1", "HELLO", "--state", "s", "--json").record
    assert list(hit) == HIT_FIELDS
    crlf = WITH_LOGO[1].replace(b"\n", b"\r\n")
    assert objects[hit["key"]] == crlf
    assert (hit["offset"], hit["length"], hit["size"]) == (0, len(crlf), len(crlf))
    assert hit["date"] == "2024-01-02T10:00:00Z"
    assert hit["from"] == {"name": "Jane", "address": "jane@example.com"}
    assert hit["to"] == [{"name": "", "address": "me@example.com"}]
    assert (hit["subject"], hit["message_id"]) == ("logo1", "logo1@example.com")
    (attached,) = hit["attachments"]
    assert (attached["name"], attached["type"], attached["size"]) == ("a.png", "image/png", 10240)
    hits = archiver("search", "a.png", "--state", "s", "--json").records
    assert len(hits) == len(WITH_LOGO)
    archiver("search", "nowhere-to-be-found", "--state", "s", "--json", code=9)


def test_index_made_again_from_the_store(
    mailbox: Mailbox, archiver: Archiver, place: Place
) -> None:
    """The index is disposable: removed, it is made again from what the store holds."""
    mailbox.add(MAIL)
    archiver.environment.update(place.environment)
    options = (*source(mailbox), "--store", place.url, "--state", "s", "--json")
    archiver("run", *options)
    before = archiver("search", "hello", "--state", "s", "--json").records
    for file in (archiver.home / "s").glob("index.db*"):
        file.unlink()
    held = set(read_mailbox(mailbox.port, mailbox.user, mailbox.password))
    assert archiver("index", *options).record["messages"] == len(held)
    assert archiver("search", "hello", "--state", "s", "--json").records == before != []
    check_search(archiver, place.objects())


def test_parse_a_file(archiver: Archiver) -> None:
    """A stored message can be looked at alone; the same octets give the same answer."""
    (archiver.home / "one.eml").write_bytes(FORWARDED.replace(b"\n", b"\r\n"))
    first, again = (archiver("parse", "one.eml").stdout for _ in range(2))
    assert first == again
    mail = json.loads(first)
    assert (mail["subject"], mail["text"]) == ("forwarded", "see below")
    assert [part["type"] for part in mail["parts"]] == ["message/rfc822"]
    assert mail["defects"] == []


@pytest.fixture(scope="module")
def crowded(dovecot: Dovecot) -> Mailbox:
    """A mailbox of more than one batch; these tests only read it."""
    box = Mailbox(dovecot, "crowded", "correct horse")
    dovecot.add_user(box.user, box.password)
    small = make_messages(500, "small", seed=4)
    box.add(message.replace(b"\r\n", b"\n") for message in small)
    box.add(whole_mailbox(60, seed=3))
    return box


@pytest.mark.parametrize("seed", range(10))
def test_a_killed_run_resumed(
    seed: int, crowded: Mailbox, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Killed at any moments and run again, it ends as one that was never killed."""
    archiver = Archiver(tmp_path, {PASSWORD: crowded.password})
    place, longest = directory_place(tmp_path / "archive"), 1.6
    if seed in (3, 7):
        place, longest = bucket_place(request.getfixturevalue("bucket"), "killed"), 2.5
    archiver.environment.update(place.environment)
    options = (*source(crowded), "--store", place.url, "--state", "s", "--json")
    chance = random.Random(seed)
    for _ in range(2):
        archiver.kill_after(chance.uniform(0.3, longest), "run", *options)
    report = archiver("run", *options).record
    held = read_mailbox(crowded.port, crowded.user, crowded.password)
    assert report["listed"] == len(held)
    assert (report["failed"], report["remaining"], report["held"]) == (0, 0, 0)
    # One that is killed while it finds out what the store gives leaves the probe that it wrote.
    every = place.objects().items()
    objects = {key: octets for key, octets in every if not key.startswith("state/probe-")}
    check_archive(objects, account_of(crowded), held)
    assert heads(objects, account_of(crowded)) == [report["head"]]
    assert not [file for file in (tmp_path / "s" / "spool").rglob("*") if file.is_file()]
    assert len(archiver("search", "logo1", "--state", "s", "--json").records) == 1
