"""One archived message, found and shown, piped and on a terminal; from real stores."""

import hashlib
import json
import shutil
import subprocess
import sys
from base64 import encodebytes
from pathlib import Path

import pytest
from by_hand import Place
from command import PASSWORD, Archiver, source
from shows import Show

from archiver.index import Index
from infra.dovecot import Dovecot
from infra.fixtures import Mailbox

PDF = b"%PDF-1.4 not much of one\n" * 40
PAGE = (
    b"<html><head><style>p {color: red}</style><script>fetch('http://127.0.0.1:9/s')</script>"
    b"</head><body><p>See <a href='https://example.org/a?b=1&amp;c=2'>the offer</a> or"
    b" <a href='javascript:alert(1)'>not</a>.</p><img src='http://127.0.0.1:9/pixel.gif'>"
    b"<a href='https://example.org/a?b=1&amp;c=2'>Again</a></body></html>\r\n"
)
INNER = (
    b"From: c@example.org\r\nSubject: within\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"
    b"--in\r\n\r\ninner text\r\n--in\r\nContent-Type: image/png; name=dot.png\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--in--\r\n"
)
RICH = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nTo: a@example.net, b@example.net\r\n"
    b"Cc: c@example.net\r\nDate: Fri, 17 May 2024 23:30:00 -0700\r\nSubject: The offer\r\n"
    b"Message-ID: <rich@example.org>\r\nList-Id: Offers <offers.example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n"
    b"--out\r\nContent-Type: multipart/alternative; boundary=alt\r\n\r\n"
    b"--alt\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"a line that is much longer than the terminal of this test is wide, and is wrapped\r\n"
    b"> a quoted line that is just as long as that, and stays as it is, on one line\r\n"
    b"--alt\r\nContent-Type: text/html\r\n\r\n" + PAGE + b"--alt--\r\n"
    b"--out\r\nContent-Type: application/pdf; name=\"../../evil\x1b[2J.pdf\"\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + encodebytes(PDF).replace(b"\n", b"\r\n")
    + b"--out\r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"--out\r\n\r\n"
    b"a note of the list\r\n--out--\r\n"
)  # fmt: skip
WEB = b"From: w@example.org\r\nSubject: web\r\nContent-Type: text/html\r\n\r\n" + PAGE
HOSTILE = (
    b"From: \x1b]0;owned\x07 <h@example.org>\r\nSubject: \x1b[2Jgone \xe2\x80\xaegpj.exe\r\n"
    b"X-Odd: \x9b31m \x1b[31mred\r\nMessage-ID: <hostile@example.org>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    b"before\x1b[8mhidden\x1b[0m\x08\x08 \xc2\x9b2J \xe2\x80\xaetxet\xc2\xa0end\rover\r\n"
)
TWINS = tuple(
    b"From: t@example.org\r\nSubject: twin %d\r\nMessage-ID: <twin@example.org>\r\n\r\n%d\r\n"
    % (number, number)
    for number in range(2)
)
MESSAGES = (RICH, WEB, HOSTILE, *TWINS)
WATCH = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen"):
        with open(os.environ["WATCHED"], "a") as out:
            out.write(event + "\\n")

sys.addaudithook(note)
"""


def digest(octets: bytes) -> str:
    """The digest of a message."""
    return hashlib.sha256(octets).hexdigest()


def archived(box: Mailbox, home: Path, store: str, environment: dict[str, str]) -> None:
    """Archives what a mailbox holds, with the state in ``s``."""
    archiver = Archiver(home, {PASSWORD: box.password, **environment})
    archiver("run", *source(box), "--store", store, "--state", "s", "--workers", "1")


@pytest.fixture(scope="module")
def home(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive in a directory, which these tests only read."""
    box = Mailbox(dovecot, "show", "correct horse")
    dovecot.add_user(box.user, box.password)
    box.add(MESSAGES)
    found = tmp_path_factory.mktemp("show")
    archived(box, found, str(found / "mail"), {})
    return found


@pytest.fixture(scope="module")
def show(home: Path) -> Show:
    """The command over that archive."""
    return Show(home)


@pytest.fixture
def own(home: Path, tmp_path: Path) -> Show:
    """The command over a copy of that archive that a test may damage."""
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    return Show(tmp_path)


def test_every_way_to_name_a_message(show: Show) -> None:
    """A prefix of the digest and the Message-ID, with or without brackets, name one message."""
    prefix = digest(RICH)[:6]
    names = [
        prefix, prefix.upper(), f"digest:{prefix}", digest(RICH), "rich@example.org",
        "<rich@example.org>", "id:rich@example.org", "id:<rich@example.org>",
    ]  # fmt: skip
    assert {show.octets(name, "--raw") for name in names} == {RICH}


def test_what_matters_is_shown(show: Show) -> None:
    """Header, text and parts are shown; the other rendering, and what is attached, are listed."""
    shown = show.text(digest(RICH))
    assert shown.startswith("From:     Jürgen <j@example.org>\nTo:       a@example.net, b@")
    assert "Date:     Fri, 17 May 2024 23:30:00 -0700 (here 2024-05-18 06:30 UTC)\n" in shown
    assert "List:     offers.example.org\n" in shown
    assert "Account:  show@127.0.0.1\n" in shown
    assert f"Digest:   {digest(RICH)}\n" in shown
    assert "-- part 1 --\na line that is much longer" in shown
    assert "-- part 5 --\na note of the list\n" in shown
    assert "See the offer" not in shown
    _, _, parts = shown.partition("Parts:\n")
    listed = [line.split() for line in parts.splitlines()]
    assert [line[:2] for line in listed] == [
        ["1", "text/plain"],
        ["2", "text/html"],
        ["3", "application/pdf"],
        ["4", "message/rfc822"],
        ["4.1", "text/plain"],
        ["4.2", "image/png"],
        ["5", "text/plain"],
    ]
    assert listed[2][2:4] == ["1000", "B"]
    assert listed[3][-1] == "within"
    assert listed[5][-1] == "dot.png"


def test_html_is_text_with_links(show: Show) -> None:
    """HTML loses script, style and pictures; links are numbered, and only what can be followed."""
    shown = show.text(digest(WEB))
    assert "See the offer [1] or not." in shown
    assert "Again [1]" in shown
    assert "[1] https://example.org/a?b=1&c=2\n" in shown
    assert "[2]" not in shown
    assert not any(word in shown for word in ("color", "fetch", "pixel", "javascript"))


def test_octets(show: Show, home: Path, tmp_path: Path) -> None:
    """Raw octets, header, HTML and parts come out exactly, also those of a message within."""
    rich = digest(RICH)
    command = [sys.executable, "-m", "archiver", "show", rich, "--raw", "--state", "s"]
    assert subprocess.run(command, cwd=home, check=True, capture_output=True).stdout == RICH
    head, _, _ = RICH.partition(b"\r\n\r\n")
    assert show.octets(rich, "--headers") == head + b"\r\n"
    assert show.octets(digest(WEB), "--html") == PAGE
    assert show.octets(rich, "--html") == PAGE.removesuffix(b"\r\n")
    safe = show.octets(digest(WEB), "--safe-html")
    assert safe.endswith(PAGE)
    assert b"default-src 'none'" in safe.partition(b"\n")[0]
    assert show.octets(rich, "--part", 3) == PDF
    assert show.octets(rich, "--part", 4) == INNER.removesuffix(b"\r\n")
    assert show.octets(rich, "--part", "4.1", "--output", "-") == b"inner text"
    assert show.octets(rich, "--part", "4.2") == b"\x89PNG"
    show.text(rich, "--raw", "--output", tmp_path)
    assert (tmp_path / f"{rich[:12]}.eml").read_bytes() == RICH


def test_files(show: Show, tmp_path: Path) -> None:
    """A part goes to a file of its owner's, under a safe name, and over none that is there."""
    part = (digest(RICH), "--part", 3, "--output")
    show.text(*part, tmp_path)
    (only,) = tmp_path.iterdir()
    assert only.name == "evil [2J.pdf"
    assert only.read_bytes() == PDF
    assert only.stat().st_mode & 0o777 == 0o600
    only.write_bytes(b"mine")
    for target in (tmp_path, only):
        assert "is there already" in show.wrong(2, *part, target)
    assert only.read_bytes() == b"mine"
    show.text(*part, only, "--force")
    assert only.read_bytes() == PDF
    assert list(tmp_path.iterdir()) == [only]
    assert "cannot be written" in show.wrong(2, *part, tmp_path / "no" / "x")
    assert "is no file" in show.wrong(2, *part, "/dev/null", "--force")


def test_json(show: Show, home: Path, tmp_path: Path) -> None:
    """The record is that of parse FILE, with where the message is and the numbers of its parts."""
    file = tmp_path / "rich.eml"
    file.write_bytes(RICH)
    parsed = json.loads(show.archiver("parse", file).stdout)
    record = json.loads(show.text(digest(RICH), "--json"))
    (place,) = record.pop("places")
    assert (home / "mail" / place["key"]).read_bytes() == RICH
    assert record.pop("accounts") == ["show@127.0.0.1"]
    assert record.pop("spooled") is False
    assert [part.pop("number") for part in record["parts"]] == ["2", "3", "4", "5"]
    assert record == parsed


def test_several_and_none(show: Show) -> None:
    """What fits several messages lists them; what fits none, and what is no name, says so."""
    assert show.wrong(2, "twin@example.org") == "2 messages are twin@example.org; which one?"
    _, listed = show("twin@example.org", code=2)
    for number, twin in enumerate(TWINS):
        assert f"{digest(twin)[:16]}  ----------  show@127.0.0.1  twin {number}" in listed
    assert "no message is" in show.wrong(9, "nobody@example.org")
    assert "no message is" in show.wrong(9, "0000000")
    for name in ("0abc", "digest:xyzxyz", "f" * 65, "<>", "id:", ""):
        show.wrong(2, name)
    assert "has no part 9" in show.wrong(9, digest(RICH), "--part", 9)
    assert "has no part 1.1" in show.wrong(9, digest(RICH), "--part", "1.1")
    assert "has no HTML" in show.wrong(9, digest(HOSTILE), "--html")
    for odd in ("x", "-1", "1..2", "1." * 10 + "1", "²"):
        show.wrong(2, digest(RICH), f"--part={odd}")
    show.wrong(2, digest(RICH), "--raw", "--html")
    show.wrong(2, digest(RICH), "--output", "x")


def test_nothing_steers_a_terminal(show: Show) -> None:
    """Neither header nor text nor names move a cursor or turn text, on a terminal and in a pipe."""
    for way in ((), ("--headers",), ("--json",)):
        code, shown = show.at_terminal(digest(HOSTILE), *way)
        assert code == 0
        assert not [c for c in shown if not c.isprintable() and c != "\n"], way
    piped = show.text(digest(HOSTILE))
    assert "\x1b" not in piped
    assert "before\ufffd[8mhidden" in piped
    assert "txet end\nover\n" in piped
    _, shown = show.at_terminal(digest(RICH))
    assert "../../evil [2J.pdf" in shown


def test_octets_are_kept_from_a_terminal(show: Show) -> None:
    """What a terminal might obey goes there with --force alone."""
    for way in (("--raw",), ("--html",)):
        code, shown = show.at_terminal(digest(RICH), *way)
        assert (code, "--output FILE" in shown) == (2, True), way
    code, shown = show.at_terminal(digest(WEB), "--raw", "--force")
    assert code == 0
    assert "<script>" in shown


def test_lines_fit_the_terminal(show: Show) -> None:
    """On a terminal lines are wrapped, except quoted ones; in a pipe all stay as they are."""
    _, shown = show.at_terminal(digest(RICH))
    assert "wider" not in shown
    assert "a line that is much longer than the terminal of this test is\nwide, and is" in shown
    assert "> a quoted line that is just as long as that, and stays as it is, on one line" in shown
    assert "is wide, and is wrapped\n" in show.text(digest(RICH))


def test_pager(show: Show) -> None:
    """Long text goes through $PAGER on a terminal, or through one that is asked for."""
    pager = f"{sys.executable} -c 'import sys; print(len(sys.stdin.readlines()), 42)'"
    name = digest(RICH)
    _, shown = show.at_terminal(name, PAGER=pager)
    assert shown.endswith(" 42\n")
    assert "From:" in show.at_terminal(name, "--no-pager", PAGER=pager)[1]
    assert "From:" in show.at_terminal(name, PAGER="")[1]
    assert "From:" in show.at_terminal(name, PAGER="/no/such/pager")[1]
    short = digest(TWINS[0])
    assert "From:" in show.at_terminal(short, PAGER=pager)[1]
    assert show.at_terminal(short, "--pager", PAGER=pager)[1].endswith(" 42\n")


def test_nothing_is_fetched(show: Show, home: Path, tmp_path: Path) -> None:
    """No name is looked up, nobody connected to and nothing started, whatever mail asks for."""
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    watched = tmp_path / "events"
    watching = Show(home, {"PYTHONPATH": str(tmp_path), "WATCHED": str(watched)})
    for message, way in ((RICH, ""), (WEB, ""), (WEB, "--html"), (RICH, "--json")):
        watching.archiver("show", digest(message), *way.split(), "--state", "s")
    assert not watched.exists()


def test_damage(own: Show) -> None:
    """Other octets in the store end with 7 before anything is shown."""
    (path,) = own.archiver.home.glob(f"mail/**/{digest(RICH)}.eml")
    store = ("--store", "mail")
    path.chmod(0o600)
    path.write_bytes(RICH.replace(b"offer", b"offal"))
    for way in ((), ("--raw",), ("--part", "3"), ("--json",)):
        assert "cannot be had as it was archived" in own.wrong(7, digest(RICH), *way, *store)
    assert "cannot be had" in own.wrong(7, digest(RICH), "--raw", "--output", "new.eml", *store)
    assert not (own.archiver.home / "new.eml").exists()


@pytest.mark.parametrize("damage", ["missing", "no index", "lacks it"])
def test_without_the_index(damage: str, own: Show) -> None:
    """A digest, or a prefix of it, is found in the ledger where the index cannot tell."""
    index = own.archiver.home / "s" / "index.db"
    for file in index.parent.glob("index.db*"):
        file.unlink()
    if damage == "no index":
        index.write_bytes(b"this is no index\n" * 100)
    elif damage == "lacks it":
        Index.open(index).close()
    assert own.octets(digest(RICH)[:8], "--raw") == RICH
    assert "The offer" in own.text(digest(RICH))
    own.wrong(9 if damage == "lacks it" else 2, "rich@example.org")


def test_nothing_is_known(own: Show) -> None:
    """Where the state directory is lost, it is said how to have it again."""
    shutil.rmtree(own.archiver.home / "s")
    _, said = own(digest(RICH), "--store", "mail", code=9)
    assert "archiver rebuild" in said


def test_in_the_spool(mailbox: Mailbox, archiver: Archiver, tmp_path: Path) -> None:
    """A message that is still in the spool is shown from there, before there is a store."""
    mailbox.add([WEB])
    archiver("fetch", *source(mailbox), "--store", "mail", "--state", "s")
    show = Show(tmp_path)
    assert show.octets(digest(WEB), "--raw") == WEB
    record = json.loads(show.text(digest(WEB)[:6], "--json"))
    assert (record["spooled"], record["places"]) == (True, [])


def test_in_a_store(mailbox: Mailbox, tmp_path: Path, place: Place) -> None:
    """Messages come from a bucket as from a directory; the state directory knows where it is."""
    mailbox.add([RICH, HOSTILE])
    archived(mailbox, tmp_path, place.url, dict(place.environment))
    show = Show(tmp_path, dict(place.environment))
    assert show.octets("rich@example.org", "--raw") == RICH
    assert show.octets(digest(RICH)[:9], "--part", "4.2") == b"\x89PNG"
    assert "Subject:  The offer" in show.text(digest(RICH))
