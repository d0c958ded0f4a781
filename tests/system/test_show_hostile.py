"""Mail that is made to hurt whoever looks at it costs little memory, whatever is asked of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from command import PASSWORD, Archiver, source

from infra.dovecot import Dovecot
from infra.fixtures import Mailbox

MIB = 1 << 20
LIMIT = 150 * MIB
HTML = b"Content-Type: text/html\r\n\r\n"
MIXED = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
# A process that is started counts what it came from as its own: so that has to be small.
MEASURE = """
import resource, subprocess, sys
with open(sys.argv[1], "wb") as out:
    code = subprocess.call(sys.argv[2:], stdout=out)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)
sys.exit(code)
"""
MESSAGES = {
    "parts": MIXED
    + b"--x\r\nContent-Type: message/rfc822\r\n\r\n\r\nhi\r\n" * 10_000
    + b"--x--\r\n",
    "deep": HTML + (b"<div>" * 13 + b"\r\n") * 80_000 + b"end",
    "links": HTML + b"<p>text <a href='http://127.0.0.1:9/x'>link</a></p>\r\n" * 200_000,
    "nested": b"Content-Type: message/rfc822\r\n\r\n" * 50_000 + b"end",
    "header": b"To: " + b"a@b.example,\r\n " * 300_000 + b"c@d.example\r\n\r\nend",
    "octets": MIXED
    + b"--x\r\n\r\ntext\r\n--x\r\nContent-Type: application/zip\r\n"
    + b"Content-Transfer-Encoding: base64\r\n\r\n"
    + (b"QUJD" * 19 + b"\r\n") * 400_000
    + b"--x--\r\n",
}


@pytest.fixture(scope="module")
def home(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of such mail."""
    box = Mailbox(dovecot, "hostile", "correct horse")
    dovecot.add_user(box.user, box.password)
    box.add(
        b"Subject: %s\r\nMessage-ID: <%s@x>\r\n" % (name.encode(), name.encode()) + rest
        for name, rest in MESSAGES.items()
    )
    found = tmp_path_factory.mktemp("hostile")
    run = Archiver(found, {PASSWORD: box.password})
    run("run", *source(box), "--store", "mail", "--state", "s", "--workers", "1")
    return found


def shown(home: Path, name: str, *way: str) -> tuple[str, int]:
    """The last 2,000 characters that ``archiver show`` prints, and the octets it printed."""
    out = home / "out"
    command = [sys.executable, "-m", "archiver", "show", f"id:{name}@x", *way, "--state", "s"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, out, *command], cwd=home, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < LIMIT, (name, way, done.stdout)
    size = out.stat().st_size
    with out.open("rb") as stream:
        stream.seek(max(0, size - 2000))
        return stream.read().decode("utf-8", "replace"), size


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("parts", "  (9,950 more parts are not listed: --json lists them)\n"),
        ("deep", "(there is more of it: --part 1 has all)\n"),
        ("links", "\n[1] http://127.0.0.1:9/x\n"),
        ("nested", "  1.1.1.1.1.1.1.1.1.1 message/rfc822"),
        ("header", "\nend\n"),
        ("octets", "21.7 MiB\n"),
    ],
)
def test_what_is_shown_is_bounded(name: str, end: str, home: Path) -> None:
    """Text, list of parts and memory are bounded, and what is left out is said."""
    text, size = shown(home, name)
    assert end in text[-200:]
    assert size < MIB


@pytest.mark.parametrize(
    ("name", "way", "at_least"),
    [
        ("octets", "--raw", 400_000 * 78),
        ("octets", "--part=2", 400_000 * 57),
        ("header", "--headers", 300_000 * 15),
    ],
)
def test_octets_pass_through(name: str, way: str, at_least: int, home: Path) -> None:
    """However large a message is, its octets cost no more memory than those of a small one."""
    _, size = shown(home, name, way)
    assert at_least <= size < at_least + 1000
