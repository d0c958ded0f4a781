"""What the tests of six servers saw, and the table in ARCHITECTURE.md that is made of it."""

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "ARCHITECTURE.md"
RENEW = "RENEW_TABLE"
_REGION = re.compile(r"(?<=<!-- interop: begin -->\n).*?(?=<!-- interop: end -->)", re.DOTALL)
_NOTES = "\nWhat these servers do to mail by themselves, and what then is archived:\n\n"


class Column(StrEnum):
    """What is tried with each server."""

    SIGN_IN = "sign-in"
    STLS = "STLS"
    PIPELINING = "pipelining"
    OCTETS = "byte-exact"
    RESUME = "resume"
    AGAIN = "second run"
    DROPPED = "DELE, then a drop"
    DELETED = "archived, then deleted"
    HABITS = "habits met"


@dataclass(slots=True)
class Observed:
    """Words for the table's cells and notes, by row, as the tests of this session saw them."""

    cells: dict[tuple[str, Column], list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def line(self, row: str) -> str | None:
        """The line of the table; None where not everything was tried."""
        cells = [", ".join(self.cells.get((row, column), ())) for column in Column]
        return f"| {row} | {' | '.join(cells)} |\n" if all(cells) else None

    def note(self, row: str) -> str:
        """The line below the table; nothing where there is none."""
        return f"- {row}: {'; '.join(self.notes[row])}.\n" if row in self.notes else ""


def written() -> str:
    """The table as the document has it."""
    found = _REGION.search(DOCUMENT.read_text())
    assert found, "ARCHITECTURE.md has lost the marks of its table"
    return found[0]


def renewed(text: str, observed: Observed, rows: tuple[str, ...]) -> str:
    """The table with those rows in place of its own that were tried out as a whole."""
    old = {line.split(" |")[0].strip("| \n"): line for line in text.splitlines(keepends=True)}
    old_notes = {
        line[2:].partition(":")[0]: line
        for line in text.splitlines(keepends=True)
        if line.startswith("- ")
    }
    table, notes = "", ""
    for row in rows:
        line = observed.line(row)
        table += old.get(row, "") if line is None else line
        notes += old_notes.get(row, "") if line is None else observed.note(row)
    head = f"| server | {' | '.join(Column)} |\n|---|{'---|' * len(Column)}\n"
    return head + table + (_NOTES + notes if notes else "")


def is_to_be_renewed() -> bool:
    """Whether whoever runs the tests wants the document brought up to date."""
    return os.environ.get(RENEW) == "1"


def write(text: str) -> None:
    """Puts the table into the document."""
    DOCUMENT.write_text(_REGION.sub(lambda _: text, DOCUMENT.read_text()))
