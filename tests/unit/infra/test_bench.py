"""What the measurements stand on: the mailbox, the measuring and the sums."""

import sys
from email import message_from_bytes
from pathlib import Path

import pytest

from infra.bench.mailbox import SIZES, make_messages, read_corpus
from infra.bench.measure import CommandFailed, Cost, measure
from infra.bench.plan import check_whole
from infra.bench.report import as_json, as_table, summarise

BUSY = "import time; x = bytearray(80_000_000); time.sleep(0.3)"


def python(code: str) -> list[str]:
    """A command that runs this code."""
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("size", SIZES)
def test_a_seed_gives_the_same_mailbox(size: str) -> None:
    """Equal seeds give equal octets, other seeds others, and no two messages are equal."""
    first = list(make_messages(40, size, 1))
    assert first == list(make_messages(40, size, 1))
    assert first != list(make_messages(40, size, 2))
    assert len(set(first)) == len(first) == 40


def test_made_messages_are_sound() -> None:
    """Line ends are CRLF and a lenient reader finds no defect in any part."""
    for octets in make_messages(60, "mixed", 3):
        assert octets.count(b"\n") == octets.count(b"\r\n")
        read = message_from_bytes(octets)
        assert read["Message-ID"]
        assert not [defect for part in read.walk() for defect in part.defects]


def test_mixed_mail_has_attachments() -> None:
    """Only mixed mail has attachments, which make most of its octets."""
    small, mixed = (b"".join(make_messages(200, size, 1)) for size in ("small", "mixed"))
    assert b"base64" not in small
    assert mixed.count(b"base64") > 10
    assert len(mixed) > 2 * len(small)


def test_a_corpus_is_read_by_name(tmp_path: Path) -> None:
    """Files of any depth come in order of their paths, as many as asked for."""
    (tmp_path / "b").mkdir()
    for name in ("b/2.eml", "b/1.eml", "a.eml", "note.txt"):
        (tmp_path / name).write_bytes(name.encode())
    assert list(read_corpus(tmp_path, None)) == [b"a.eml", b"b/1.eml", b"b/2.eml"]
    assert list(read_corpus(tmp_path, 1)) == [b"a.eml"]


def test_a_command_is_measured_with_its_children() -> None:
    """CPU and memory of a child count for the command that waited for it."""
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True)"
    cost = measure(python(code), {})
    assert cost.cpu_seconds > 0
    assert cost.memory_max > 80_000_000
    assert cost.memory_sum > cost.memory_max
    assert cost.seconds > 0


def test_our_own_memory_does_not_count() -> None:
    """A small command is small even when we are not."""
    ballast = bytearray(120_000_000)
    cost = measure(python("import time; time.sleep(0.2)"), {})
    assert 0 < cost.memory_max < len(ballast)


def test_environment_and_output_are_passed_on() -> None:
    """The command sees the variables added, and what it prints comes back."""
    assert measure(python("import os; print(os.environ['A_B'])"), {"A_B": "c"}).output == "c\n"


def test_a_command_that_fails_is_not_measured() -> None:
    """Its exit code and its last words are in the error."""
    with pytest.raises(CommandFailed, match=r"(?s)exited with 3.*alas"):
        measure(python("import sys; print('alas', file=sys.stderr); sys.exit(3)"), {})


def test_a_run_must_have_archived_everything() -> None:
    """The last line of its output decides."""
    check_whole('{"archived": 1}\n{"archived": 5}\n', 5)
    with pytest.raises(CommandFailed, match="of 5 messages 4"):
        check_whole('{"archived": 4}\n', 5)


def test_figures_are_medians_with_their_spread() -> None:
    """Rates follow from counts and times; the median lies between least and greatest."""
    costs = {"fetch": [Cost(s, 2 * s, 10_000_000, 5_000_000, "") for s in (1.0, 4.0, 2.0)]}
    (figures,) = summarise(costs, messages=100, octets=8_000_000)
    assert (figures.seconds.median, figures.seconds.least, figures.seconds.greatest) == (2, 1, 4)
    assert figures.messages_per_second.median == 50
    assert figures.megabytes_per_second.greatest == 8
    assert figures.memory_max.median == 5
    assert "50 (25-100)" in as_table([figures])
    assert '"messages_per_second": {"median": 50.0' in as_json([figures])
