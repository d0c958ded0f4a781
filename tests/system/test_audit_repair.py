import hashlib
import json
import poplib
from gzip import decompress
from pathlib import Path
from typing import Any

import pytest
from audits import MADE, Audits
from by_hand import client_of
from command import Archiver, one_clear_line, source
from ledger_dump import dump
from letters import FORWARDED, WITH_LOGO
from vandal import Vandal, bucket_vandal, directory_vandal

from archiver.ledger import Ledger
from infra.fixtures import Bucket, Mailbox


def moved(vandal: Vandal) -> dict[str, str]:
    """By the manifests: for each key that was given up the one that took its place."""
    records = [
        json.loads(line)
        for key in vandal.keys(".jsonl.gz", "manifests/")
        if "checkpoint" not in key
        for line in decompress(vandal.read(key)).splitlines()[1:]
    ]
    found = [record for record in records if record["kind"] == "moved"]
    return {record["from"]: record["locator"]["key"] for record in found}


def becomes(records: list[dict[str, Any]]) -> dict[str, str]:
    """What an audit with a repair says of each finding: repaired or not."""
    return {one["key"]: one["kind"] for one in records if one["kind"].endswith("repaired")}


@pytest.fixture
def local(mailbox: Mailbox, tmp_path: Path) -> Audits:
    """An archive in a directory."""
    made = Audits(mailbox, directory_vandal(tmp_path / "archive"), tmp_path)
    made.archive(*MADE[:8])
    return made


def test_what_the_server_still_has(mailbox: Mailbox, vandal: Vandal, tmp_path: Path) -> None:
    """Damaged messages are fetched again and parts made anew, and all of it lies elsewhere."""
    audits = Audits(mailbox, vandal, tmp_path)
    audits.archive(*MADE[:6], FORWARDED, *WITH_LOGO)
    raw = vandal.keys(".eml")
    parts = [key for key in vandal.keys(beginning="mail/") if "/parts/" in key]
    vandal.flip(raw[0])
    vandal.remove(raw[1])
    vandal.truncate(raw[2])
    vandal.swap(raw[3], raw[4])
    vandal.flip(parts[0])
    vandal.remove(parts[1])
    before = vandal.place.objects()
    damaged = {*raw[:5], *parts[:2]}

    records = audits.audit("--read-data", "--repair", *source(mailbox))
    assert becomes(records) == dict.fromkeys(damaged, "repaired")
    assert records[-1]["repaired"] == records[-1]["damage"] == 7
    after = vandal.place.objects()
    assert before.items() <= after.items()
    places = moved(vandal)
    assert places.keys() == damaged
    for key, new in places.items():
        digest = Path(key).name.removesuffix(".eml")
        assert Path(new).name.removesuffix(".eml") == digest
        assert hashlib.sha256(after[new]).hexdigest() == digest

    summary = audits.audit("--read-data")[-1]
    assert (summary["damage"], summary["moved"]) == (0, len(damaged))
    hits = audits.run("search", "example", "--state", "s", "--json").records
    found = {hit["key"] for hit in hits}
    assert found.isdisjoint(damaged)
    assert found & set(places.values())
    again = audits.archive()
    assert (again["known"], again["fetched"]) == (again["listed"], 0)
    assert len(mailbox.left()) == 10


def test_what_nobody_has_any_more(local: Audits) -> None:
    """What can be had nowhere is said to be lost, while the rest is repaired."""
    vandal = local.vandal
    lost, kept = vandal.keys(".eml")[:2]
    for key in (lost, kept):
        vandal.flip(key)
    delete(local.mailbox, Path(lost).stem)
    records = local.audit("--read-data", "--repair", *source(local.mailbox), code=7)
    assert becomes(records) == {lost: "not-repaired", kept: "repaired"}
    done = local.run("audit", *local.options, "--read-data", "--repair", code=7)
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("not repaired")]
    assert lost in line
    assert "1 findings are damage; 0 repaired" in done.stdout


def delete(mailbox: Mailbox, digest: str) -> None:
    """Deletes a message on the server, as another client would."""
    client = poplib.POP3("127.0.0.1", mailbox.port)
    client.user(mailbox.user)
    client.pass_(mailbox.password)
    for number, octets in enumerate(mailbox.left(), 1):
        if hashlib.sha256(octets.replace(b"\n", b"\r\n")).hexdigest() == digest:
            client.dele(number)
    client.quit()


def test_without_a_mailbox(local: Audits) -> None:
    """Without a mailbox to ask, parts are repaired and messages are not."""
    raw = local.vandal.keys(".eml")[0]
    part = next(key for key in local.vandal.keys(beginning="mail/") if "/parts/" in key)
    local.vandal.remove(raw)
    local.vandal.remove(part)
    records = local.audit("--repair", code=7)
    assert becomes(records)[part] == "repaired"
    (said,) = [one["what"] for one in records if one["kind"] == "not-repaired"]
    assert "no mailbox" in said


def test_chain(local: Audits) -> None:
    """A lost or damaged manifest is made good by a checkpoint, which the chain then names."""
    for n in range(3):
        local.archive(b"Subject: %d\nMessage-ID: <c%d@x.example>\n\nx\n" % (n, n))
    _, second, third, fourth = local.vandal.keys(beginning="manifests/")
    local.vandal.remove(second)
    local.vandal.write(third, local.vandal.read(third)[:-9])
    local.vandal.remove(fourth)
    records = local.audit("--repair")
    assert becomes(records) == dict.fromkeys((second, third, fourth), "repaired")
    records = local.audit("--state", "none")
    assert [one["kind"] for one in records[:-1]] == ["restated", "restated", "restated"]
    assert records[-1]["objects"] == len(local.vandal.keys(beginning="mail/"))
    assert records[-1]["checkpoints"] == 1
    local.audit()


def test_format(local: Audits) -> None:
    """A store that no longer says what it is says so again; another's word is left alone."""
    written = local.vandal.read("format.json")
    local.vandal.remove("format.json")
    assert becomes(local.audit("--repair")) == {"format.json": "repaired"}
    assert local.vandal.read("format.json") == written
    local.vandal.write("format.json", b"{}")
    done = local.run("audit", *local.options, "--repair", code=7)
    assert "format.json" in one_clear_line(done)
    assert local.vandal.read("format.json") == b"{}"


def test_nothing_is_repaired_without_a_ledger(local: Audits) -> None:
    """A repair needs the ledger that knows the store, and says so before it does anything."""
    before = local.vandal.place.objects()
    done = local.run("audit", "--store", local.vandal.url, "--state", "none", "--repair", code=2)
    assert "no ledger" in one_clear_line(done)
    assert local.vandal.place.objects() == before


def test_versions(mailbox: Mailbox, bucket: Bucket, tmp_path: Path) -> None:
    """In a bucket with versions what was written over or deleted is had back from them alone."""
    client = client_of(bucket)
    client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    client.close()
    audits = Audits(mailbox, bucket_vandal(bucket), tmp_path)
    audits.archive(*MADE[:5])
    replaced, hidden = audits.vandal.keys(".eml")[:2]
    audits.vandal.flip(replaced)
    audits.vandal.remove(hidden)
    records = audits.audit("--repair")
    assert becomes(records) == {replaced: "repaired", hidden: "repaired"}
    assert all("from version" in one["what"] for one in records if one["kind"] == "repaired")
    assert moved(audits.vandal).keys() == {replaced, hidden}
    assert audits.audit("--read-data")[-1]["damage"] == 0


def test_an_account_that_is_in_use(local: Audits, archiver: Archiver) -> None:
    """A repair leaves an account alone that a run has."""
    import fcntl

    lock = next((archiver.home / "s" / "locks").glob("*.lock"))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = local.run("audit", *local.options, "--repair", code=8)
    assert "in use" in one_clear_line(done)


def known(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the ledger knows, but for when a batch that only holds what was moved was archived."""
    with Ledger.open(home / "s" / "ledger.db") as ledger:
        found = dump(ledger, proofs=False)
    return found | {"batches": [row[:-1] for row in found["batches"]]}


def test_rebuilt_after_a_repair(local: Audits) -> None:
    """Whoever has the store alone finds what was repaired where it lies now."""
    raw = local.vandal.keys(".eml")[0]
    part = next(key for key in local.vandal.keys(beginning="mail/") if "/parts/" in key)
    local.vandal.flip(raw)
    local.vandal.remove(part)
    local.archive(b"Subject: more\nMessage-ID: <more@x.example>\n\nx\n")
    local.vandal.remove(local.vandal.keys(beginning="manifests/")[1])
    local.audit("--read-data", "--repair", *source(local.mailbox))
    home = local.run.home
    before = known(home)
    (home / "s").rename(home / "lost")
    local.run("rebuild", "--store", local.vandal.url, "--state", "s")
    assert known(home) == before
    assert local.audit("--read-data")[-1]["damage"] == 0
    hits = local.run("search", "example", "--state", "s", "--json").records
    assert raw not in {hit["key"] for hit in hits}
    again = local.archive()
    assert (again["known"], again["fetched"]) == (again["listed"], 0)
