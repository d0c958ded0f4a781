"""Deletion where the store does not hold what it seems to, or will not hold it for long."""

from pathlib import Path
from typing import Any

from by_hand import client_of
from command import PASSWORD, Archiver, Done, one_clear_line, source
from vandal import Vandal, bucket_vandal, directory_vandal

from infra.bench.mailbox import make_messages
from infra.fixtures import Bucket, Mailbox

ALL = "--yes-delete-all"
LETTERS = [one.replace(b"\r\n", b"\n") for one in make_messages(6, "small", seed=8)]


class Archive:
    """A mailbox, archived into a store."""

    def __init__(self, mailbox: Mailbox, vandal: Vandal, home: Path) -> None:
        self._run = Archiver(home, {PASSWORD: mailbox.password, **vandal.environment})
        self._options = (*source(mailbox), "--store", vandal.url, "--state", "s", "--json")
        self._run("run", *self._options)

    def prune(self, *options: str, code: int = 0) -> Done:
        """A deletion, which must end so."""
        return self._run("prune", *self._options, ALL, *options, code=code)


def expire(bucket: Bucket, prefix: str) -> None:
    """Has the bucket delete by itself what lies below a prefix."""
    rule: dict[str, Any] = {"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": prefix}}
    client = client_of(bucket)
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name,
        LifecycleConfiguration={"Rules": [{**rule, "Expiration": {"Days": 30}}]},
    )
    client.close()


def test_a_bucket_that_forgets(mailbox: Mailbox, bucket: Bucket, tmp_path: Path) -> None:
    """Where the bucket's rules take mail away none is deleted, even all of it, unless so asked."""
    mailbox.add(LETTERS)
    archive = Archive(mailbox, bucket_vandal(bucket), tmp_path)
    expire(bucket, "mail/one/")
    stopped = archive.prune(code=3)
    line = one_clear_line(stopped)
    assert "nothing is deleted: the rule 'tidy' deletes mail after 30 days" in line
    assert "take the rule away" in stopped.stderr
    assert stopped.record["kept"] == {"lifecycle": len(LETTERS)}
    assert mailbox.left() == LETTERS

    pruned = archive.prune("--delete-despite-lifecycle").record
    assert pruned["deleted"] == pruned["gone"] == len(LETTERS)
    assert mailbox.left() == []


def check_that_they_stay(archive: Archive, mailbox: Mailbox, hurt: dict[str, bytes]) -> None:
    """Sees a deletion tell of damaged copies, leave their messages alone and take the others."""
    done = archive.prune(code=7)
    assert f"{len(hurt)} copies could not be read back" in one_clear_line(done)
    assert all(key in done.stderr for key in hurt)
    assert done.record["kept"] == {"not-readable": len(hurt)}
    assert done.record["deleted"] == len(LETTERS) - len(hurt)
    left = [one.replace(b"\n", b"\r\n") for one in mailbox.left()]
    assert sorted(left) == sorted(hurt.values())


def put_in_one_part(bucket: Bucket, key: str, octets: bytes) -> None:
    """Uploads an object once more as one that has parts, as a tool that copies buckets does."""
    client = client_of(bucket)
    where = {"Bucket": bucket.name, "Key": key}
    upload = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
    etag = client.upload_part(**upload, PartNumber=1, Body=octets)["ETag"]
    parts = [{"ETag": etag, "PartNumber": 1}]
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    client.close()


def test_what_head_sees_and_get_does_not(mailbox: Mailbox, bucket: Bucket, tmp_path: Path) -> None:
    """A message whose object has lost its data stays on the server, though HEAD shows it whole."""
    mailbox.add(LETTERS)
    vandal = bucket_vandal(bucket)
    archive = Archive(mailbox, vandal, tmp_path)
    hurt = vandal.keys(".eml")[2]
    octets = vandal.read(hurt)
    put_in_one_part(bucket, f"mail/one/{hurt}", octets)
    assert vandal.read(hurt) == octets
    assert bucket.server.lose_parts(bucket.name) == 1
    client = client_of(bucket)
    seen = client.head_object(Bucket=bucket.name, Key=f"mail/one/{hurt}")
    client.close()
    assert seen["ContentLength"] == len(octets)

    check_that_they_stay(archive, mailbox, {hurt: octets})


def test_damaged_copies(mailbox: Mailbox, tmp_path: Path) -> None:
    """Messages whose only copies are damaged stay until the copies are sound; the others leave."""
    mailbox.add(LETTERS)
    vandal = directory_vandal(tmp_path / "archive")
    archive = Archive(mailbox, vandal, tmp_path)
    whole = {key: vandal.read(key) for key in vandal.keys(".eml")[:3]}
    flipped, truncated, removed = whole
    vandal.flip(flipped)
    vandal.truncate(truncated)
    vandal.remove(removed)
    check_that_they_stay(archive, mailbox, whole)

    for key, octets in whole.items():
        vandal.write(key, octets)
    assert archive.prune().record["deleted"] == len(whole)
    assert mailbox.left() == []
