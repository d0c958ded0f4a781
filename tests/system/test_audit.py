import signal
import time
from pathlib import Path

import pytest
from audits import MADE, Audits
from by_hand import client_of, heads
from command import one_clear_line
from letters import FORWARDED, WITH_LOGO
from vandal import Vandal, bucket_vandal, directory_vandal

from infra.fixtures import Bucket, Mailbox


@pytest.fixture
def audits(mailbox: Mailbox, vandal: Vandal, tmp_path: Path) -> Audits:
    """An archive with a bit of everything, in a store of each kind."""
    made = Audits(mailbox, vandal, tmp_path)
    made.archive(*MADE, FORWARDED, *WITH_LOGO)
    return made


@pytest.fixture
def local(mailbox: Mailbox, tmp_path: Path) -> Audits:
    """The same in a directory, for what does not depend on the store."""
    made = Audits(mailbox, directory_vandal(tmp_path / "archive"), tmp_path)
    made.archive(*MADE, FORWARDED, *WITH_LOGO)
    return made


def test_an_archive_that_is_well(audits: Audits) -> None:
    """An audit of a sound archive ends well, has looked at everything, and changes nothing."""
    before = audits.vandal.place.objects()
    (summary,) = audits.audit("--read-data")
    mail = [key for key in before if key.startswith("mail/")]
    assert summary["accounts"] == [audits.account]
    assert summary["objects"] == summary["read"] == len(mail)
    assert summary["octets"] == sum(len(before[key]) for key in mail)
    assert summary["manifests"] == len(audits.vandal.keys(beginning="manifests/"))
    assert [one["digest"] for one in summary["heads"]] == heads(before, audits.account)
    done = audits.run("audit", *audits.options)
    assert f"checked 1 manifests, {len(mail)} objects in" in done.stdout
    assert done.stdout.endswith("nothing is damaged\n")
    assert audits.vandal.place.objects() == before


def test_the_store_alone_is_enough(local: Audits) -> None:
    """The store alone is enough: no mailbox, no settings and no state are needed."""
    done = local.run("audit", "--store", local.vandal.url, "--state", "none", "--json")
    assert done.record["objects"] == len(local.vandal.keys(beginning="mail/"))
    assert not (local.run.home / "none").exists()


def test_each_damage_is_named(audits: Audits) -> None:
    """A flipped bit, a truncated, a deleted and two swapped objects are each named by an audit."""
    vandal = audits.vandal
    flipped, short, gone, one = vandal.keys(".eml")[:4]
    other = next(
        key for key in vandal.keys(".eml")[4:] if len(vandal.read(key)) != len(vandal.read(one))
    )
    part = next(key for key in vandal.keys(beginning="mail/") if "/parts/" in key)
    vandal.flip(flipped)
    vandal.truncate(short)
    vandal.remove(gone)
    vandal.swap(one, other)
    vandal.flip(part)
    assert audits.damage("--read-data") == {
        ("octets", flipped),
        ("size", short),
        ("missing", gone),
        ("size", one),
        ("size", other),
        ("octets", part),
    }
    lines = audits.run("audit", *audits.options, "--read-data", code=7).stdout.splitlines()
    for key in (flipped, short, gone, one, other, part):
        (line,) = [line for line in lines if key in line]
        assert line.startswith(f"damage  {audits.account}  {key}: ")
        assert "--repair" in line
    assert lines[-1] == "6 findings are damage"


def test_swapped_objects_of_one_size(audits: Audits) -> None:
    """Objects of one size that changed places are named, each with the digest that it holds."""
    pair = [b"Subject: %d\nMessage-ID: <%d@x.example>\n\nbody\n" % (n, n) for n in (1, 2)]
    before = set(audits.vandal.keys(".eml"))
    audits.archive(*pair)
    one, other = sorted(set(audits.vandal.keys(".eml")) - before)
    audits.vandal.swap(one, other)
    records = audits.audit("--read-data", code=7)[:-1]
    digests = {Path(key).stem for key in (one, other)}
    assert {record["key"] for record in records} == {one, other}
    for record in records:
        assert record["kind"] == "octets"
        held = record["what"].rpartition(" ")[2]
        assert {held, record["digest"]} == digests


def test_without_reading_etags_tell(audits: Audits, request: pytest.FixtureRequest) -> None:
    """Where ETags are MD5 other octets of the same size show without --read-data."""
    key = audits.vandal.keys(".eml")[0]
    audits.vandal.flip(key)
    if "ceph" in request.node.name:
        assert audits.damage() == {("octets", key)}
    else:
        audits.audit()


def test_chains(local: Audits) -> None:
    """A manifest that is lost, damaged or replayed is named, whatever the local ledger knows."""
    vandal = local.vandal
    for n in range(4):
        local.archive(b"Subject: %d\nMessage-ID: <c%d@x.example>\n\nx\n" % (n, n))
    manifests = vandal.keys(beginning="manifests/")
    assert len(manifests) == 5
    without = ("--state", "none")

    kept = {key: vandal.read(key) for key in manifests}
    vandal.write(manifests[3], kept[manifests[1]])
    assert local.damage(*without) == {("manifest-misplaced", manifests[3])}
    assert local.damage() == {("manifest-misplaced", manifests[3])}
    vandal.write(manifests[3], kept[manifests[3]][:-9])
    assert local.damage(*without) == {("manifest-damaged", manifests[3])}
    vandal.remove(manifests[3])
    assert local.damage(*without) == {("manifest-missing", manifests[3])}
    vandal.write(manifests[3], kept[manifests[3]])

    last = local.audit()[-1]["heads"][0]["digest"]
    vandal.remove(manifests[4])
    assert local.audit(*without)[0]["kind"] == "unnamed"
    assert local.damage(*without, "--head", last) == {("head-missing", "manifests/")}
    assert local.damage() == {("manifest-missing", manifests[4])}
    vandal.write(manifests[4], kept[manifests[4]])
    local.audit(*without, "--head", last)
    local.audit(*without, "--head", heads({manifests[0]: kept[manifests[0]]}, local.account)[0])


def test_unnamed_objects_are_no_damage(local: Audits) -> None:
    """What a cut upload left is a note with its age, and foreign objects are told apart."""
    vandal = local.vandal
    there = vandal.keys(".eml")[0]
    batch = there.rpartition("/")[0].rpartition("/")[0] + "/000000-0123456789"
    vandal.write(f"{batch}/{'ab' * 32}.eml", b"x" * 10)
    vandal.write(f"{batch}/parts/{'cd' * 32}", b"x" * 5)
    vandal.write("mail/readme.txt", b"hello")
    unnamed, foreign, summary = local.audit()
    assert (unnamed["kind"], unnamed["key"]) == ("unnamed", f"{batch}/")
    assert (unnamed["objects"], unnamed["octets"]) == (2, 15)
    assert "has just been written" in unnamed["what"]
    assert (foreign["kind"], foreign["key"]) == ("foreign", "mail/readme.txt")
    assert (summary["unnamed"], summary["damage"]) == (2, 0)


def test_what_says_that_it_is_an_archive(local: Audits) -> None:
    """A store without its format, or with another one in its place, is named as damaged."""
    local.vandal.write("format.json", b"{}")
    assert local.damage() == {("format-damaged", "format.json")}
    local.vandal.write("format.json", b'{"format": 2, "requires": []}')
    done = local.run("audit", *local.options, code=7)
    assert "format 2" in one_clear_line(done)
    local.vandal.remove("format.json")
    assert local.damage() == {("format-missing", "format.json")}


def test_samples(local: Audits) -> None:
    """A sample reads a share; the same seed draws the same, and turns cover all in their days."""
    count = local.audit()[-1]["objects"]
    first = local.audit("--sample", "50%", "--seed", "7")[-1]
    assert 0 < first["read"] < count
    assert "seed 7" in first["sample"]
    assert local.audit("--sample", "50%", "--seed", "7")[-1]["octets"] == first["octets"]
    assert local.audit("--sample", "1/1")[-1]["read"] == count
    assert local.audit("--sample", "1/2")[-1]["read"] < count
    for wrong in (("--sample", "much"), ("--sample", "0%"), ("--sample", "1/0"), ("--seed", "1")):
        local.run("audit", *local.options, *wrong, code=2)


def test_accounts_are_chosen(local: Audits) -> None:
    """An audit of one account looks at that one alone, and an unknown one is an error."""
    local.run("demo", "demo")
    (summary,) = local.audit(local.account)
    assert summary["accounts"] == [local.account]
    done = local.run("audit", *local.options, "nobody", code=2)
    assert "nobody" in one_clear_line(done)
    done = local.run("audit", *local.options, "--head", "x", code=2)
    assert "no SHA-256" in one_clear_line(done)


def test_signatures(local: Audits) -> None:
    """Signed manifests are checked; with a public key only what its owner vouches for is well."""
    run, vandal = local.run, local.vandal
    key = run("init", "--signing-key", "k").stdout.strip()
    other = run("init", "--signing-key", "other").stdout.strip()
    first = vandal.keys(beginning="manifests/")[0]
    assert local.damage("--public-key", key) == {("unsigned", first)}

    local.archive(b"Subject: one\nMessage-ID: <s1@x>\n\n1\n", options=("--signing-key", "k"))
    assert local.audit()[-1]["keys"] == {key: 1}
    local.audit("--public-key", key)
    (local.run.home / "public").write_text(f"{key}\n")
    local.audit("--public-key", other, "--public-key", "public")
    second = vandal.keys(beginning="manifests/")[1]
    assert local.damage("--public-key", other) == {
        ("unsigned", first),
        ("signer-unknown", second),
    }
    settings = (
        'trusted_keys = ["%s"]\n[store]\nurl = "archive"\n[accounts.x]\nserver = "pop3s://x@y"\n'
    )
    (local.run.home / "archiver.toml").write_text(settings % other)
    local.run("audit", code=7)
    (local.run.home / "archiver.toml").write_text(settings % "public")
    local.run("audit")
    (local.run.home / "archiver.toml").unlink()

    local.archive(b"Subject: two\nMessage-ID: <s2@x>\n\n2\n")
    third = vandal.keys(beginning="manifests/")[2]
    assert local.damage("--public-key", key) == {("unsigned", third)}


def test_a_forged_head_fails_its_signature(local: Audits) -> None:
    """The last manifest of a chain cannot be changed without a word where it is signed."""
    from gzip import compress, decompress

    local.run("init", "--signing-key", "k")
    local.archive(b"Subject: one\nMessage-ID: <f1@x>\n\n1\n", options=("--signing-key", "k"))
    last = local.vandal.keys(beginning="manifests/")[-1]
    lines = decompress(local.vandal.read(last))
    local.vandal.write(last, compress(lines.replace(b'"uidl":', b'"UIDL":')))
    assert local.damage("--state", "none") == {("signature-bad", last)}
    local.vandal.write(last, compress(lines + b'{"kind":"more"}\n'))
    assert local.damage("--state", "none") == {("signature-bad", last)}


def test_versions(mailbox: Mailbox, bucket: Bucket, tmp_path: Path) -> None:
    """In a bucket with versions, what lies over the recorded one or hides it is told."""
    client = client_of(bucket)
    client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    vandal = bucket_vandal(bucket)
    audits = Audits(mailbox, vandal, tmp_path)
    audits.archive(*MADE[:6])
    replaced, hidden, again, lost = vandal.keys(".eml")[:4]
    ids = {
        one["Key"].removeprefix("mail/one/"): one["VersionId"]
        for one in client.list_object_versions(Bucket=bucket.name)["Versions"]
    }
    vandal.flip(replaced)
    vandal.remove(hidden)
    vandal.write(again, vandal.read(again))
    client.delete_object(Bucket=bucket.name, Key=f"mail/one/{lost}", VersionId=ids[lost])
    client.close()
    records = audits.audit(code=7)[:-1]
    found = {(one["kind"], one["key"]): one["sound_version"] for one in records}
    assert found == {
        ("replaced", replaced): ids[replaced],
        ("hidden", hidden): ids[hidden],
        ("missing", lost): None,
    }


def test_an_audit_that_is_asked_to_end(local: Audits) -> None:
    """An audit ends when it is asked to, with the exit code for that, and leaves nothing behind."""
    scratch = local.run.home / "scratch"
    scratch.mkdir()
    running = local.run.start(
        "audit", *local.options, "--read-data", environment={"TMPDIR": str(scratch)}
    )
    while running.poll() is None and not list(scratch.iterdir()):
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    # It may have been done by then.
    assert running.returncode in (0, 130)
    assert list(scratch.iterdir()) == []
