import gzip
import hashlib
import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from archiver.errors import UsageError
from archiver.format import ManifestHead, manifest_octets, read_manifest
from archiver.signing import SigningKey, is_key, public_key, signer_of

HEAD = ManifestHead("me", "w", 1, None)


def foreign(path: Path) -> Ed25519PrivateKey:
    """A key as another program writes it."""
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def test_files_are_what_others_read_and_write(tmp_path: Path) -> None:
    """A key file is PKCS 8 in PEM, for its owner alone, and one of another program is read."""
    path = tmp_path / "key"
    key = SigningKey.make()
    key.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(read, Ed25519PrivateKey)
    assert key.public == f"ed25519:{read.public_key().public_bytes_raw().hex()}"
    assert SigningKey.read(path) == key

    other = foreign(tmp_path / "other")
    assert SigningKey.read(tmp_path / "other").public == (
        f"ed25519:{other.public_key().public_bytes_raw().hex()}"
    )


def test_a_key_is_never_written_over_anything(tmp_path: Path) -> None:
    """What has the name of a new key's file stays, and the person is told."""
    path = tmp_path / "key"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        SigningKey.make().write(path)
    assert path.read_text() == "mine"
    with pytest.raises(UsageError, match="cannot be written"):
        SigningKey.make().write(tmp_path / "no" / "key")


def test_a_key_does_not_show_itself() -> None:
    """The secret is in no representation of a key."""
    key = SigningKey.make()
    assert repr(key) == "SigningKey()"
    assert str(key) == "SigningKey()"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xff",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\n=\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
    ],
)
def test_what_is_no_key(octets: bytes, tmp_path: Path) -> None:
    """A file with something else in it is refused by name."""
    path = tmp_path / "key"
    path.write_bytes(octets)
    with pytest.raises(UsageError, match="no private key"):
        SigningKey.read(path)
    with pytest.raises(UsageError, match="cannot be read"):
        SigningKey.read(tmp_path / "nothing")
    with pytest.raises(UsageError, match="public key"):
        public_key(str(path))


def test_public_keys_are_given_in_every_form(tmp_path: Path) -> None:
    """A public key is its line of text, a file with that line, or a file in PEM."""
    key = foreign(tmp_path / "private")
    line = SigningKey.read(tmp_path / "private").public
    path = tmp_path / "public"
    path.write_text(f"# of the archive\n{line}\n")
    assert public_key(line) == public_key(f" {line.upper()}\n") == public_key(str(path)) == line
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(pem)
    assert public_key(str(path)) == line
    assert is_key(line)
    assert not is_key(str(path))
    with pytest.raises(UsageError, match="neither a public key nor a file"):
        public_key("ed25519:00")


def test_a_manifest_ends_with_its_signature() -> None:
    """The signature is over all lines before it, as they are before they are compressed."""
    key = SigningKey.make()
    records = [{"kind": "gone", "uidl": "1", "digest": "00" * 32, "at": None}]
    stored = manifest_octets(HEAD, records, key.sign)
    assert stored == manifest_octets(HEAD, records, key.sign)
    head, read = read_manifest(stored)
    assert head == HEAD
    assert read[:-1] == records
    lines = gzip.decompress(stored).splitlines(keepends=True)
    assert json.loads(lines[-1]) == read[-1]
    assert read[-1]["kind"] == "signature"
    covered = b"".join(lines[:-1])
    assert gzip.decompress(manifest_octets(HEAD, records)) == covered
    assert signer_of(read[-1], covered) == key.public
    assert signer_of(read[-1], memoryview(covered)) == key.public


def test_what_is_no_signature_of_these_octets() -> None:
    """A signature is worth nothing over other octets, by another key or in another form."""
    key, other = SigningKey.make(), SigningKey.make()
    record = key.sign(b"octets")
    assert signer_of(record, b"octets") == key.public
    for wrong in (
        {"signature": other.sign(b"octets")["signature"]},
        {"key": other.public},
        {"key": "ed25519:00"},
        {"key": None},
        {"signature": "zz"},
        {"signature": ""},
        {"signature": None},
        {"algorithm": hashlib.sha256().name},
    ):
        assert signer_of({**record, **wrong}, b"octets") is None
    assert signer_of(record, b"Octets") is None
