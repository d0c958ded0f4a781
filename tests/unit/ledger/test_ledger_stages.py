import re
from collections.abc import Iterator
from pathlib import Path

import archiver.ledger
from archiver.ledger.stages import MOVES, sources
from archiver.model import Stage

SOURCES = sorted(Path(archiver.ledger.__file__).parent.glob("*.py"))


def test_every_stage_has_its_moves() -> None:
    """The table names every stage, and none moves to itself."""
    assert MOVES.keys() == set(Stage)
    assert all(stage not in targets for stage, targets in MOVES.items())


def test_sources() -> None:
    """From where a stage can be reached is the table read backwards."""
    assert set(sources(Stage.ARCHIVED)) == {
        Stage.SPOOLED,
        Stage.VANISHED,
        Stage.DELETE_SENT,
        Stage.GONE,
    }


def test_archived_mail_is_never_forgotten() -> None:
    """No move leads from ARCHIVED back to where a message is fetched, except over its absence."""
    assert not MOVES[Stage.ARCHIVED] & {Stage.LISTED, Stage.SPOOLED}


def written() -> Iterator[str]:
    """Every stage that the SQL of the ledger writes as a word."""
    for path in SOURCES:
        text = re.sub(r'"\s*\n\s*f?"', "", path.read_text())
        yield from re.findall(r"SET (?:.*?, )?stage = '(\w+)'", text)


def test_sql_knows_only_stages() -> None:
    """What the SQL writes into the column ``stage`` are words of the table."""
    found = set(written())
    assert {"listed", "spooled", "archived", "vanished", "linked"} <= found
    assert found <= {str(stage) for stage in Stage}
