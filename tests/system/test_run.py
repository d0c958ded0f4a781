import hashlib
from pathlib import Path
from typing import Any

import pytest
from by_hand import (
    Place,
    check_archive,
    client_of,
    heads,
    objects_in_directory,
    read_mailbox,
)
from command import PASSWORD, Archiver, account_of, source
from letters import FORWARDED, HOSTILE, INNER, LOGO, WITH_LOGO, parts_by_stdlib, whole_mailbox

from infra.dovecot import Dovecot
from infra.fixtures import Mailbox

RUN_FIELDS = [
    "account", "listed", "known", "linked", "fetched", "archived", "deleted", "gone", "held",
    "failed", "vanished", "remaining", "bytes_fetched", "seconds", "head", "given_up",
]  # fmt: skip
SCHEMES = ("pop3s", "pop3", "pop3+plain")
WATCH = """
import os, sys

def note(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "socket.connect"):
        with open(os.environ["WATCHED"], "a") as out:
            out.write(f"{event} {arguments[1] if event == 'socket.connect' else ''}\\n")

sys.addaudithook(note)
"""


@pytest.fixture(scope="module")
def full(dovecot: Dovecot) -> Mailbox:
    """A mailbox with a bit of everything, which these tests only read."""
    box = Mailbox(dovecot, "full", "correct horse")
    dovecot.add_user(box.user, box.password)
    box.add(whole_mailbox(240, seed=7))
    return box


@pytest.fixture(scope="module")
def held(full: Mailbox) -> list[bytes]:
    """What that mailbox holds, read by hand."""
    return read_mailbox(full.port, full.user, full.password)


def check_report(report: dict[str, Any]) -> None:
    """A report has exactly the fields of the interface, and it adds up."""
    assert list(report) == RUN_FIELDS
    terms = ("known", "linked", "fetched", "failed", "vanished", "remaining")
    assert report["listed"] == sum(report[term] for term in terms)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_octet_arrives(
    scheme: str, full: Mailbox, held: list[bytes], place: Place, tmp_path: Path
) -> None:
    """What the server holds is in the store, octet for octet, and the manifests name all of it."""
    run = Archiver(tmp_path, {PASSWORD: full.password, **place.environment})
    before = full.left()
    report = run(
        "run", *source(full, scheme), "--store", place.url, "--state", "s", "--json"
    ).record
    distinct = set(held)
    check_report(report)
    assert report["listed"] == len(held) == len(before)
    assert report["fetched"] == report["archived"] == len(distinct)
    assert report["linked"] == len(held) - len(distinct)
    assert report["bytes_fetched"] == sum(map(len, held))

    objects = place.objects()
    records = check_archive(objects, account_of(full), held)
    assert heads(objects, account_of(full)) == [report["head"]]
    linked = [record for record in records if record["kind"] == "linked"]
    assert len(linked) == report["linked"]
    assert {record["digest"] for record in linked} <= {sha256(message) for message in held}
    assert full.left() == before
    check_parts(records, held)


def check_parts(records: list[Any], held: list[bytes]) -> None:
    """Every part is the decoded MIME part, by another reader's word."""
    parts = {r["digest"]: [p["digest"] for p in r["parts"]] for r in records if "parts" in r}
    crlf = [message.replace(b"\n", b"\r\n") for message in (FORWARDED, *WITH_LOGO)]
    assert set(crlf) <= set(held)
    assert parts[sha256(crlf[0])] == [sha256(INNER.replace(b"\n", b"\r\n"))]
    assert {tuple(parts[sha256(message)]) for message in crlf[1:]} == {(sha256(LOGO),)}
    made = [message for message in held if message.startswith(b"Received: ")]
    assert len(made) > 200
    for message in made:
        assert parts[sha256(message)] == [sha256(part) for part in parts_by_stdlib(message)]


def sha256(octets: bytes) -> str:
    """The digest in hex."""
    return hashlib.sha256(octets).hexdigest()


def test_an_idle_run_touches_nothing(
    full: Mailbox, held: list[bytes], place: Place, tmp_path: Path
) -> None:
    """A second run fetches nothing, starts no process, and asks the store for nothing at all."""
    run = Archiver(tmp_path, {PASSWORD: full.password, **place.environment})
    options = (*source(full), "--store", place.url, "--state", "s", "--json")
    first = run("run", *options).record
    before = place.objects()
    watched = tmp_path / "watched"
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    broken = {
        "AWS_SECRET_ACCESS_KEY": "wrong",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "PYTHONPATH": str(tmp_path / "watch"),
        "WATCHED": str(watched),
    }
    second = run("run", *options, environment=broken).record
    check_report(second)
    assert second["known"] == second["listed"] == len(held)
    assert (second["fetched"], second["archived"], second["bytes_fetched"]) == (0, 0, 0)
    assert second["head"] == first["head"]
    assert watched.read_text().splitlines() == [f"socket.connect ('127.0.0.1', {full.port})"]
    assert place.objects() == before


def test_new_mail_is_fetched_alone(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """A later run takes what came since, links a copy of what it has, and goes on in the chain."""
    options = (*source(mailbox), "--store", "archive", "--state", "s", "--json")
    mailbox.add(HOSTILE[3:9])
    archiver("run", *options)
    first = objects_in_directory(tmp_path / "archive")
    mailbox.add([HOSTILE[3], b"Subject: later\nMessage-ID: <later@example.com>\n\nnews\n"])
    report = archiver("run", *options).record
    check_report(report)
    counted = {name: report[name] for name in ("listed", "known", "linked", "fetched")}
    assert counted == {"listed": 8, "known": 6, "linked": 1, "fetched": 1}
    held = read_mailbox(mailbox.port, mailbox.user, mailbox.password)
    assert report["bytes_fetched"] == len(held[6]) + len(held[7])
    objects = objects_in_directory(tmp_path / "archive")
    check_archive(objects, account_of(mailbox), held)
    assert first.items() <= objects.items()
    assert len(mailbox.left()) == 8


def test_an_empty_mailbox_leaves_nothing(
    mailbox: Mailbox, archiver: Archiver, tmp_path: Path
) -> None:
    """Nothing to archive is no error, and makes no store."""
    options = (*source(mailbox), "--store", "archive", "--state", "s", "--json")
    report = archiver("run", *options).record
    check_report(report)
    assert (report["listed"], report["head"]) == (0, None)
    assert not (tmp_path / "archive").exists()


def test_parts_have_their_content_type(full: Mailbox, bucket: Any, tmp_path: Path) -> None:
    """In a bucket a message is message/rfc822 and a part has its own type, as a browser needs."""
    run = Archiver(tmp_path, {PASSWORD: full.password, **bucket.environment})
    run("run", *source(full), "--store", f"s3://{bucket.name}/x", "--state", "s")
    client = client_of(bucket)
    listed = client.list_objects_v2(Bucket=bucket.name)["Contents"]
    types = {
        entry["Key"]: client.head_object(Bucket=bucket.name, Key=entry["Key"])["ContentType"]
        for entry in listed
    }
    client.close()
    assert {kind for key, kind in types.items() if key.endswith(".eml")} == {"message/rfc822"}
    assert {types[key] for key in types if key.endswith(sha256(LOGO))} == {"image/png"}
    assert {kind for key, kind in types.items() if "/parts/" in key} == {
        "image/png", "application/pdf", "text/html", "message/rfc822",
    }  # fmt: skip
