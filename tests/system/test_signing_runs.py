import gzip
import json
from pathlib import Path

from by_hand import objects_in_directory
from command import Archiver, one_clear_line, source
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from infra.fixtures import Mailbox

MAIL = b"Subject: signed\nMessage-ID: <signed@example.com>\n\nhello\n"


def check_signatures(archive: Path, key: str) -> int:
    """Every manifest ends with a signature by this key of all lines before it; says how many."""
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.removeprefix("ed25519:")))
    stored = [v for k, v in objects_in_directory(archive).items() if k.startswith("manifests/")]
    for octets in stored:
        *lines, last = gzip.decompress(octets).splitlines(keepends=True)
        record = json.loads(last)
        assert (record["kind"], record["algorithm"], record["key"]) == ("signature", "ed25519", key)
        public.verify(bytes.fromhex(record["signature"]), b"".join(lines))
    return len(stored)


def test_manifests_are_signed(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """With a key, by option or by settings, every manifest of a run is signed with it."""
    mailbox.add([MAIL])
    made = archiver("init", "--signing-key", "k")
    options = (*source(mailbox), "--store", "archive", "--state", "s")
    archiver("run", *options, "--signing-key", "k")
    assert check_signatures(tmp_path / "archive", made.stdout.strip()) == 1

    server = source(mailbox)[1]
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "archiver.toml").write_text(
        f'signing_key = "../k"\n[store]\nurl = "../second"\n'
        f'[accounts.me]\nserver = "{server}"\npassword_env = "MAIL_PASSWORD"\n'
    )
    archiver("run", "--config", "settings/archiver.toml", "--state", "s")
    assert check_signatures(tmp_path / "second", made.stdout.strip()) == 1


def test_a_key_that_cannot_be_used_stops_a_run(
    mailbox: Mailbox, archiver: Archiver, tmp_path: Path
) -> None:
    """A run that could not sign begins nothing."""
    mailbox.add([MAIL])
    (tmp_path / "k").write_text("no key\n")
    options = (*source(mailbox), "--store", "archive", "--state", "s")
    for name, words in (("k", "no private key"), ("missing", "cannot be read")):
        done = archiver("run", *options, "--signing-key", name, code=2)
        assert words in one_clear_line(done)
    assert not (tmp_path / "s").exists()
    assert not (tmp_path / "archive").exists()
    assert "exists already" in one_clear_line(archiver("init", "--signing-key", "k", code=2))
