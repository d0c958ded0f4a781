"""Finding archived messages by the command, over an index that stands in a state directory."""

import csv
import hashlib
import io
import os
import pty
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Archiver

from archiver.index import Index, Location, prepare
from archiver.model import Address, Mail, Part

ANN, BOB = Address("Ann Lee", "ann@example.com"), Address("Bob", "bob@example.org")


def mail(number: int, text: str, **fields: object) -> Mail:
    """A message."""
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    more = {"authors": (ANN,), "subject": f"Letter {number}", "date": 86_400 * number, **fields}
    return Mail(digest, digest, 1000 * number, message_id=f"{number}@x", text=text, **more)  # type: ignore[arg-type]


PDF = Part(digest="ab" * 32, size=5, type="application/pdf", name="Contract.pdf")
MAILS = (
    mail(1, "the contract is signed"),
    mail(2, "no contract", authors=(BOB,), references=("1@x",), parts=(PDF,)),
    mail(3, "契約 \x1b[31m東京", subject="契約書"),
    mail(4, "lunch", date=None),
)


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command beside a state directory with an index."""
    (tmp_path / "state").mkdir()
    index = Index.open(tmp_path / "state" / "index.db")
    for one in MAILS:
        place = Location("me", f"mail/me/{one.digest}.eml", 0, one.size)
        index.add([(prepare(one), place)])
    index.close()
    return Archiver(tmp_path)


Search = Callable[..., list[int]]


@pytest.fixture
def search(archiver: Archiver) -> Search:
    """Which letters a search finds, in its order, by their numbers."""

    def run(*words: str, code: int = 0) -> list[int]:
        done = archiver("search", *words, "--ids", "--state", "state", code=code)
        digests = [one.digest for one in MAILS]
        return [digests.index(line) + 1 for line in done.stdout.splitlines()]

    return run


def test_queries(search: Search) -> None:
    """A query finds what it means, the newest first, those without a date last."""
    assert search() == [3, 2, 1, 4]
    assert search("contract") == [2, 1]
    assert search("contract", "-from:bob") == [1]
    assert search("-contract", "smaller:4k") == [3, 4]
    assert search("(signed OR 東京) before:1970-01-03") == [1]
    assert search("--sort", "size", "--limit", "2", "--offset", "1") == [3, 2]
    assert search("--sort", "relevance", "signed OR contract")[0] == 1
    assert search("nothing", code=9) == []


def test_counting(archiver: Archiver) -> None:
    """A count is a number alone, also where nothing matches, which ends with 9."""
    assert archiver("search", "contract", "--count", "--state", "state").stdout == "2\n"
    assert archiver("search", "xyzzy", "--count", "--state", "state", code=9).stdout == "0\n"


def test_a_mistake(archiver: Archiver) -> None:
    """A mistake in a query ends with 2, and its place is pointed at."""
    done = archiver("search", "ann", "form:bob", "--state", "state", code=2)
    assert done.stdout == ""
    assert "character 5" in done.stderr
    assert done.stderr.splitlines()[1:] == ["  ann form:bob", "      ^"]


def test_explanation(archiver: Archiver) -> None:
    """A query is explained without being asked."""
    done = archiver("search", "--explain", "from:ann -larger:1M", "--state", "nowhere")
    assert done.stdout.splitlines() == [
        "all of:",
        '  the sender\'s address or name contains "ann"',
        "  not:",
        "    the size is more than 1,048,576 octets",
    ]


def test_csv(archiver: Archiver) -> None:
    """A table has a header and a row for each message."""
    done = archiver("search", "contract", "--csv", "--state", "state")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["from"] for row in rows] == [
        "Bob <bob@example.org>",
        "Ann Lee <ann@example.com>",
    ]
    assert rows[0]["attachments"] == "Contract.pdf"


def test_conversations(archiver: Archiver) -> None:
    """A conversation is shown with all that matches in it, and who wrote."""
    (one,) = archiver("search", "signed", "--threads", "--json", "--state", "state").records
    assert (one["messages"], one["matched"], one["authors"]) == (2, 1, ["Ann Lee", "Bob"])
    shown = archiver("search", "contract", "--threads", "--state", "state").stdout
    assert shown.startswith("2 messages: Ann Lee, Bob\n")
    assert shown.index("Letter 1") < shown.index("Letter 2")


@pytest.mark.parametrize(
    "options",
    [
        ("--jsno",),
        ("--csv", "--json"),
        ("--threads", "--ids"),
        ("--sort", "colour"),
        ("--limit", "0"),
    ],
)
def test_options_that_do_not_go(archiver: Archiver, options: tuple[str, ...]) -> None:
    """Options that exclude each other, or have no such value, are refused."""
    done = archiver("search", "a", *options, "--state", "state", code=2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def on_a_terminal(archiver: Archiver, *arguments: str, **environment: str) -> str:
    """What a command shows on a terminal that is 80 cells wide."""
    leader, follower = pty.openpty()
    process = archiver.start(
        *arguments, environment={"COLUMNS": "80", **environment}, stdout=follower
    )
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 4096):
            shown += piece
    except OSError:
        # So a terminal ends whose last process has.
        pass
    os.close(leader)
    process.communicate(timeout=60)
    return shown.decode().replace("\r\n", "\n")


def test_on_a_terminal(archiver: Archiver) -> None:
    """What matches is bold, lines fit, and nothing of a message moves the cursor."""
    shown = on_a_terminal(archiver, "search", "東京 OR contract", "--state", "state")
    assert "\x1b[1mcontract\x1b[0m" in shown
    assert "\x1b[1m東\x1b[0m\x1b[1m京\x1b[0m" in shown
    assert "\x1b[31m" not in shown
    plain = on_a_terminal(archiver, "search", "contract", "--state", "state", NO_COLOR="1")
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_stats(archiver: Archiver) -> None:
    """Messages are counted by what is asked, for people, with bars, and for machines."""
    shown = archiver("stats", "--by", "sender", "--chart", "--state", "state").stdout
    assert shown.startswith("4 messages, 9.8 KiB\n")
    assert "ann@example.com           3     7.8 KiB  ████" in shown
    whole, *rows = archiver("stats", "--by", "month", "--json", "--state", "state").records
    assert whole == {"by": None, "key": None, "messages": 4, "bytes": 10_000}
    assert [(row["key"], row["messages"]) for row in rows] == [("", 1), ("1970-01", 3)]
    archiver("stats", "xyzzy", "--state", "state", code=9)
    archiver("stats", "--by", "colour", "--state", "state", code=2)
