from pathlib import Path

import pytest
from stage_helpers import desk, octets_of

from archiver.ledger import landing
from archiver.ledger.seen import Counts


@pytest.mark.parametrize("gap", [0, 500])
def test_identical_copies(tmp_path: Path, gap: int) -> None:
    """Identical messages that share a UIDL are stored once, also when batches lie between them."""
    others = [(f"u{n}", octets_of(f"w{n}")) for n in range(gap)]
    messages = [("same", octets_of("a")), *others, ("same", octets_of("a"))]
    with desk(tmp_path, messages) as it:
        assert it.run() == Counts(listed=gap + 2, fetched=gap + 1, linked=1)
        assert sum(len(landing.load(it.ledger, name).messages) for name in it.batches) == gap + 1
        assert it.run() == Counts(listed=gap + 2, known=gap + 2)
