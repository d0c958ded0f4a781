"""A stand-in for readpst: what is tested is how it is called, and what becomes of its files."""

import os
from pathlib import Path

import pytest

from archiver.errors import UsageError
from archiver.sources import Letter, Source, Trouble

_WRITES = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
mkdir -p "$2/Personal folders/Inbox"
n=$(tr -dc 0-9 </dev/urandom | head -c 8)
b="--boundary-LibPST-iamunique-$n""_-_-"
printf 'Subject: one\\nContent-Type: multipart/mixed; boundary="%s"\\n\\n--%s\\n\\nx\\n--%s--\\n' \\
    "$b" "$b" "$b" > "$2/Personal folders/Inbox/1.eml"
"""


@pytest.fixture
def pst(tmp_path: Path) -> Path:
    """A file that begins as one of Outlook's."""
    path = tmp_path / "mail.pst"
    path.write_bytes(b"!BDN" + bytes(100))
    return path


def install(monkeypatch: pytest.MonkeyPatch, directory: Path, script: str) -> None:
    """Puts a program of that name first in the path."""
    (directory / "bin").mkdir()
    (directory / "bin/readpst").write_text(script)
    (directory / "bin/readpst").chmod(0o755)
    (directory / "tmp").mkdir()
    monkeypatch.setenv("PATH", f"{directory / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.tempdir", str(directory / "tmp"))


def test_mail_of_an_outlook_file(
    pst: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its messages come with their folder, the same each time, and nothing of them is left over."""
    install(monkeypatch, tmp_path, _WRITES)
    met = []
    for _ in range(2):
        source = Source(pst)
        for letter in source.letters():
            assert isinstance(letter, Letter)
            met.append((b"".join(letter.pieces()), letter.name, letter.origin))
        source.close()
    assert met[0] == met[1]
    octets, name, origin = met[0]
    assert octets.startswith(b"Subject: one\r\n")
    assert octets.count(b"--boundary-LibPST-iamunique-0_-_-") == 3
    assert name == f"{pst}: Personal folders/Inbox/1.eml"
    assert (origin.protocol, origin.labels) == ("pst", ("Personal folders/Inbox",))
    assert not list((tmp_path / "tmp").iterdir())


def test_file_that_cannot_be_read(
    pst: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What readpst says against a file is told, and nothing of it is taken."""
    install(monkeypatch, tmp_path, "#!/bin/sh\necho 'Error opening File' >&2\nexit 1\n")
    (trouble,) = Source(pst).letters()
    assert isinstance(trouble, Trouble)
    assert "readpst cannot read it: Error opening File" in trouble.reason
    assert not list((tmp_path / "tmp").iterdir())


def test_without_readpst(pst: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is missing, what to install is said: at once for a file that was named itself."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        Source(pst)
    assert "pst-utils" in caught.value.hint
    (trouble,) = Source(tmp_path).letters()
    assert isinstance(trouble, Trouble)
    assert "pst-utils" in trouble.reason
