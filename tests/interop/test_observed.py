from observed import Column, Observed, renewed

ROWS = ("one", "two")


def observed(*rows: str) -> Observed:
    """Everything was tried with these."""
    made = Observed()
    for row in rows:
        for column in Column:
            made.cells[row, column] = ["yes", "and no"]
        made.notes[row].append("it does")
    return made


def test_a_table_from_nothing() -> None:
    """A row and its notes stand in the order of the rows, whatever was seen first."""
    table = renewed("", observed("two", "one"), ROWS)
    assert [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| ")] == [
        "| server",
        "| one",
        "| two",
    ]
    assert table.endswith("\n- one: it does.\n- two: it does.\n")
    assert "| yes, and no |" in table


def test_what_was_not_tried_as_a_whole_stays() -> None:
    """A server that is missing, or was tried in part, keeps its row and its notes."""
    before = renewed("", observed(*ROWS), ROWS)
    partly = observed("two")
    partly.cells["one", Column.STLS] = ["never"]
    partly.notes["one"] = ["never"]
    assert renewed(before, partly, ROWS) == before


def test_what_is_no_longer_so_is_replaced() -> None:
    """A row that was tried is what was seen, and notes that nothing shows any more are gone."""
    before = renewed("", observed(*ROWS), ROWS)
    changed = observed("one")
    changed.cells["one", Column.STLS] = ["not offered"]
    del changed.notes["one"]
    table = renewed(before, changed, ROWS)
    assert "not offered" in table
    assert "- one" not in table
    assert "- two: it does.\n" in table
