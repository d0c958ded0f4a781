"""A mailbox and an archive, read with nothing of the program: sockets, files, gzip and JSON."""

import gzip
import hashlib
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra.fixtures import Bucket

Objects = Mapping[str, bytes]
LOCATOR_FIELDS = {"key", "offset", "length", "codec", "enc", "etag", "version_id"}


@dataclass(frozen=True)
class Place:
    """A store for one test: how the command reaches it, and what lies in it."""

    url: str
    environment: Mapping[str, str]
    objects: Callable[[], dict[str, bytes]]
    names: Callable[[], list[str]]


def directory_place(root: Path) -> Place:
    """A directory as a store."""
    return Place(
        str(root), {}, lambda: objects_in_directory(root), lambda: files_in_directory(root)
    )


def bucket_place(bucket: Bucket, prefix: str) -> Place:
    """A prefix of a bucket as a store."""
    url = f"s3://{bucket.name}/{prefix}"
    return Place(
        url,
        bucket.environment,
        lambda: objects_in_bucket(bucket, prefix),
        lambda: [key.removeprefix(f"{prefix}/") for key in keys_in_bucket(bucket)],
    )


def read_mailbox(port: int, user: str, password: str) -> list[bytes]:
    """Every message of a mailbox, read one by one, octet for octet (RFC 1939 section 3)."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        stream = connection.makefile("rwb")

        def ask(command: str) -> bytes:
            stream.write(command.encode() + b"\r\n")
            stream.flush()
            answer = stream.readline()
            assert answer.startswith(b"+OK"), answer
            return answer

        def message(number: int) -> bytes:
            ask(f"RETR {number}")
            octets, line = bytearray(), b""
            while True:
                line += stream.readline()
                if not line.endswith(b"\r\n"):
                    continue
                if line == b".\r\n":
                    return bytes(octets)
                octets += line.removeprefix(b".")
                line = b""

        assert stream.readline().startswith(b"+OK")
        ask(f"USER {user}")
        ask(f"PASS {password}")
        count = int(ask("STAT").split()[1])
        messages = [message(number) for number in range(1, count + 1)]
        ask("QUIT")
        stream.close()
    return messages


def files_in_directory(root: Path) -> list[str]:
    """The path of every file of a directory in it, in order."""
    return [file.relative_to(root).as_posix() for file in sorted(root.rglob("*")) if file.is_file()]


def objects_in_directory(root: Path) -> dict[str, bytes]:
    """Every file of a directory, by its path in it."""
    return {name: (root / name).read_bytes() for name in files_in_directory(root)}


def keys_in_bucket(bucket: Bucket) -> list[str]:
    """Every key in a bucket."""
    client = client_of(bucket)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    client.close()
    return keys


def objects_in_bucket(bucket: Bucket, prefix: str) -> dict[str, bytes]:
    """Every object below a prefix, by its key without it."""
    client = client_of(bucket)
    keys = keys_in_bucket(bucket)
    assert all(key.startswith(f"{prefix}/") for key in keys)

    connection = HTTPConnection(bucket.endpoint_url.removeprefix("http://"))
    found = {}
    for key in keys:
        # One signed URL after the other over one connection: a client takes ten times as long.
        url = client.generate_presigned_url("get_object", {"Bucket": bucket.name, "Key": key})
        connection.request("GET", url.removeprefix(bucket.endpoint_url))
        # The gateway sends header and body apart, and the body only once the header was confirmed.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        answer = connection.getresponse()
        assert answer.status == 200
        found[key.removeprefix(f"{prefix}/")] = answer.read()
    connection.close()
    client.close()
    return found


def client_of(bucket: Bucket) -> Any:
    """An S3 client of our own, to look at a bucket from the side."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=bucket.endpoint_url,
        aws_access_key_id=bucket.server.access_key,
        aws_secret_access_key=bucket.server.secret_key,
        region_name=bucket.server.region,
    )


def check_archive(objects: Objects, account: str, messages: Iterable[bytes]) -> list[Any]:
    """Holds an account's objects against what its mailbox holds; returns the manifests' records.

    Every message is there once, exactly, under the name of its digest; the manifests chain, and
    name exactly what is stored: nothing is lost, nothing is unexplained, nothing is left over.
    """
    assert json.loads(objects["format.json"])["format"] == 1
    assert json.loads(objects["format.json"])["requires"] == []
    mail = _below(objects, "mail", account)
    for key, octets in mail.items():
        assert Path(key).stem == _sha256(octets), f"{key} is not what its name says"
    raw = [Path(key).stem for key in mail if key.endswith(".eml")]
    parts = [Path(key).name for key in mail if "/parts/" in key]
    assert len(raw) + len(parts) == len(mail), "something else lies among the mail"
    assert sorted(raw) == sorted({_sha256(message) for message in messages})
    assert len(parts) == len(set(parts)), "a part is stored twice"

    records = check_chains(objects, account)
    archived = [record for record in records if record["kind"] == "archived"]
    assert sorted(record["digest"] for record in archived) == sorted(raw)
    named = {_check_locator(record, record["raw"], mail) for record in archived}
    named |= {
        _check_locator(part, part["locator"], mail)
        for record in archived
        for part in record["parts"]
    }
    assert named == set(mail), "manifests and store do not agree"
    # A run that is at work, or was killed, leaves word of itself, and one that ended its ledger.
    state = [key for key in objects if key.startswith("state/")]
    assert all(key.startswith(("state/lease/", "state/ledger/")) for key in state)
    return records


def _check_locator(record: Any, locator: Any, mail: Objects) -> str:
    assert set(locator) == LOCATOR_FIELDS
    assert (locator["offset"], locator["codec"], locator["enc"]) == (0, "identity", None)
    assert len(mail[locator["key"]]) == locator["length"] == record["size"]
    assert _sha256(mail[locator["key"]]) == record["digest"]
    return str(locator["key"])


def check_chains(objects: Objects, account: str) -> list[Any]:
    """The records of every manifest of an account, once each chain was found whole."""
    records: list[Any] = []
    previous: dict[str, tuple[int, str | None]] = {}
    for key, octets in sorted(_below(objects, "manifests", account).items()):
        head, *rest = (json.loads(line) for line in gzip.decompress(octets).splitlines())
        writer, name = key.split("/")[-2:]
        sequence, digest = previous.get(writer, (0, None))
        assert (head["format"], head["requires"]) == (1, [])
        assert (head["account"], head["writer"]) == (account, writer)
        assert head["sequence"] == sequence + 1 == int(name.partition(".")[0])
        assert head["previous"] == digest
        previous[writer] = (head["sequence"], _sha256(octets))
        records += rest
    return records


def heads(objects: Objects, account: str) -> list[str]:
    """The digest of the newest manifest of each of an account's chains."""
    newest: dict[str, bytes] = {}
    for key, octets in sorted(_below(objects, "manifests", account).items()):
        newest[key.split("/")[-2]] = octets
    return [_sha256(octets) for octets in newest.values()]


def _below(objects: Objects, top: str, account: str) -> dict[str, bytes]:
    prefix = f"{top}/{quote(account, safe='@')}/"
    return {key: octets for key, octets in objects.items() if key.startswith(prefix)}


def _sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
