"""Deletion where the store is not to be relied upon: what it does not show to have stays."""

from collections.abc import Callable
from pathlib import Path

import pytest
from by_hand import client_of, objects_in_directory
from command import PASSWORD, Archiver, account_of, one_clear_line, source
from vandal import Vandal, directory_vandal

from infra.fixtures import Bucket, Mailbox

LETTERS = [
    b"Message-ID: <%d@example.com>\nSubject: letter %d\n\ntext %d\n" % (n, n, n) for n in range(4)
]
PREFIX = "mail/one"


def prunes(options: tuple[str, ...]) -> tuple[str, ...]:
    """The command that deletes what it may, and says what it did."""
    return ("prune", *options, "--yes-delete-all", "--json")


@pytest.mark.parametrize("damage", [Vandal.flip, Vandal.truncate])
def test_damage_between_archiving_and_deletion(
    mailbox: Mailbox,
    archiver: Archiver,
    tmp_path: Path,
    damage: Callable[[Vandal, str], None],
) -> None:
    """A message whose copy is not whole stays, said in a line, and the others go: exit code 7."""
    mailbox.add(LETTERS)
    options = (*source(mailbox), "--store", "archive", "--state", "s")
    archiver("run", *options)
    vandal = directory_vandal(tmp_path / "archive")
    key = vandal.keys(".eml")[1]
    spoilt = vandal.read(key).replace(b"\r\n", b"\n")
    damage(vandal, key)
    done = archiver(*prunes(options), code=7)
    assert mailbox.left() == [spoilt]
    assert (done.record["deleted"], done.record["kept"]) == (3, {"not-readable": 1})
    assert one_clear_line(done).endswith(
        "1 copies could not be read back: their messages are not deleted"
    )
    assert len([line for line in done.stderr.splitlines() if key in line]) == 1


def test_object_that_only_listings_show(mailbox: Mailbox, bucket: Bucket, tmp_path: Path) -> None:
    """A message whose object is listed and cannot be read stays, and the others go: exit code 7."""
    archiver = Archiver(tmp_path, {PASSWORD: mailbox.password, **bucket.environment})
    mailbox.add(LETTERS)
    options = (*source(mailbox), "--store", f"s3://{bucket.name}/{PREFIX}", "--state", "s")
    archiver("run", *options)
    client = client_of(bucket)
    listed = client.list_objects_v2(Bucket=bucket.name)["Contents"]
    key = next(one["Key"] for one in listed if one["Key"].endswith(".eml"))
    spoilt = client.get_object(Bucket=bucket.name, Key=key)["Body"].read().replace(b"\r\n", b"\n")
    bucket.server.lose_data(bucket.name, key)
    again = client.list_objects_v2(Bucket=bucket.name)["Contents"]
    assert key in [one["Key"] for one in again]
    client.close()
    done = archiver(*prunes(options), code=7)
    assert mailbox.left() == [spoilt]
    assert (done.record["deleted"], done.record["kept"]) == (3, {"not-readable": 1})
    name = key.removeprefix(f"{PREFIX}/")
    assert f"{name} cannot be read from the store" in done.stderr


def test_rule_that_would_take_the_copies_away(
    mailbox: Mailbox, bucket: Bucket, tmp_path: Path
) -> None:
    """Nothing is deleted where a lifecycle rule expires the archive, unless a person insists."""
    archiver = Archiver(tmp_path, {PASSWORD: mailbox.password, **bucket.environment})
    mailbox.add(LETTERS)
    rule = {"ID": "tidy", "Status": "Enabled", "Prefix": "mail/", "Expiration": {"Days": 30}}
    client = client_of(bucket)
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name, LifecycleConfiguration={"Rules": [rule]}
    )
    client.close()
    options = (*source(mailbox), "--store", f"s3://{bucket.name}/{PREFIX}", "--state", "s")
    done = archiver("run", *options, "--delete", "verified", "--json", code=3)
    said = f"{account_of(mailbox)}: nothing is deleted: the rule 'tidy' deletes mail"
    assert one_clear_line(done).startswith(said)
    assert "delete_despite_lifecycle = true" in done.stderr
    assert (done.record["archived"], len(mailbox.left())) == (4, 4)
    done = archiver(*prunes(options), "--delete-despite-lifecycle")
    assert (done.record["deleted"], mailbox.left()) == (4, [])


def test_store_that_is_gone(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """Where nothing can be read back nothing is deleted, and the archive is made no second time."""
    mailbox.add(LETTERS)
    options = (*source(mailbox), "--store", "archive", "--state", "s")
    archiver("run", *options)
    (tmp_path / "archive").rename(tmp_path / "elsewhere")
    done = archiver(*prunes(options), code=7)
    assert done.record["kept"] == {"not-readable": 4}
    assert len(mailbox.left()) == 4
    assert not [key for key in objects_in_directory(tmp_path / "archive") if "mail/" in key]
