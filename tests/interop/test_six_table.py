from observed import RENEW, Observed, is_to_be_renewed, renewed, write, written
from targets import TARGETS

_HOW = f"run {RENEW}=1 scripts/test tests/interop to renew it"


def test_the_table_is_true(observed: Observed) -> None:
    """ARCHITECTURE.md says of each server what the tests of this session saw."""
    rows = tuple(target.row for target in TARGETS)
    table = renewed(written(), observed, rows)
    if is_to_be_renewed():
        write(table)
    assert written() == table, f"the table in ARCHITECTURE.md is no longer true: {_HOW}"
