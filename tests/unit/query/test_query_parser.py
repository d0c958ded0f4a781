import pytest

from archiver.query import (
    EVERYTHING,
    All,
    Dated,
    Either,
    Field,
    HasAttachment,
    Not,
    Query,
    QueryError,
    Sized,
    Text,
    parse,
)

NOW = 1_715_947_200.0  # 2024-05-17 12:00 UTC
MAY = 1_714_521_600
DAY = 86_400


def word(text: str, field: Field = Field.ANY, *, prefix: bool = False) -> Text:
    """A text that is looked for."""
    return Text(field, text, prefix)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", EVERYTHING),
        ("  ", EVERYTHING),
        ("a", word("a")),
        ("a b", All((word("a"), word("b")))),
        ("a AND b", All((word("a"), word("b")))),
        ('"a b"', word("a b")),
        ("a OR b", Either((word("a"), word("b")))),
        ("a b OR c", Either((All((word("a"), word("b"))), word("c")))),
        ("a or b", All((word("a"), word("or"), word("b")))),
        ("a (b OR c)", All((word("a"), Either((word("b"), word("c")))))),
        ("-a", Not(word("a"))),
        ("NOT a", Not(word("a"))),
        ("--a", Not(Not(word("a")))),
        ("-(a b)", Not(All((word("a"), word("b"))))),
        ("e-mail", word("e-mail")),
        ("contr*", word("contr", prefix=True)),
        ('"contr*"', word("contr*")),
        ("10:30 http://a.example Re:", All((word("10:30"), word("http://a.example"), word("Re:")))),
        ("from:ann", word("ann", Field.FROM)),
        ("FROM:ann", word("ann", Field.FROM)),
        ('from:"Ann Lee"', word("Ann Lee", Field.FROM)),
        ("-to:ann*", Not(word("ann", Field.TO, prefix=True))),
        (
            "subject:(a OR -b)",
            Either((word("a", Field.SUBJECT), Not(word("b", Field.SUBJECT)))),
        ),
        ("id:<a@b>", word("a@b", Field.ID)),
        ("digest:AB12", word("AB12", Field.DIGEST)),
        ("has:attachment", HasAttachment()),
        ("larger:10M", Sized(larger=10 << 20)),
        ("smaller:1k", Sized(smaller=1024)),
        ("larger:500", Sized(larger=500)),
        ("after:2024-05", Dated(since=MAY)),
        ("before:2024-05", Dated(before=MAY)),
        ("on:2024-05", Dated(since=MAY, before=MAY + 31 * DAY)),
        ("on:2024-05-01", Dated(since=MAY, before=MAY + DAY)),
        ("on:2024-12", Dated(since=1_733_011_200, before=1_735_689_600)),
        ("after:2024", Dated(since=1_704_067_200)),
        ("after:3d", Dated(since=int(NOW) - 3 * DAY)),
        ("before:2w", Dated(before=int(NOW) - 14 * DAY)),
        ("after:1y", Dated(since=int(NOW) - 365 * DAY)),
        ("on:today", Dated(since=MAY + 16 * DAY, before=MAY + 17 * DAY)),
        ("before:yesterday", Dated(before=MAY + 15 * DAY)),
    ],
)
def test_what_is_typed(typed: str, expected: Query) -> None:
    """A query is read as people mean it who know Gmail, notmuch or mu."""
    assert parse(typed, now=NOW) == expected


@pytest.mark.parametrize(
    ("typed", "at", "what"),
    [
        ("a (b", 3, "never closed"),
        ("a) b", 2, "nothing is open"),
        ('a "b', 3, "never closed"),
        ("a OR", 5, "expected a word"),
        ("OR a", 1, "expected a word"),
        ("AND a", 1, "expected a word"),
        ("()", 2, "expected a word"),
        ("a from:", 8, "expected what from: is to be"),
        ("on:2024-13", 1, "2024-05"),
        ("on:2023-02-29", 1, "2024-05"),
        ("after:soon", 1, "3d"),
        ("on:3d", 1, "a year, a month or a day"),
        ("larger:big", 1, "10M"),
        ("has:fun", 1, "has:attachment"),
        ("digest:xyz", 1, "hex"),
        ("a before:999999y", 3, "3d"),
        ("larger:999999999999999G", 1, "10M"),
        ("a id:\udcff", 6, "UTF-8"),
        ("form:ann", 1, "did you mean from:"),
        ("date:2024", 1, "after:"),
        ("subject:(from:a)", 10, "inside subject"),
        ("(" * 100, 51, "inside each other"),
        ("-" * 100 + "a", 51, "inside each other"),
        ("a " * 501, 1001, "at most 500"),
    ],
)
def test_mistakes(typed: str, at: int, what: str) -> None:
    """A mistake is told with its place, counted from 1, and with what was expected."""
    with pytest.raises(QueryError, match=f"character {at}: ") as error:
        parse(typed, now=NOW)
    assert what in error.value.message
    assert error.value.exit_code == 2
    shown, pointer = error.value.hint.split("\n  ")
    assert pointer.strip() == "^"
    assert len(shown) <= 60


def test_hostile_text() -> None:
    """A query as long as memory allows is refused in no time, and shows no control characters."""
    with pytest.raises(QueryError) as error:
        parse("\x1b[2J" + "x(" * 500_000, now=NOW)
    assert error.value.hint.replace("\n", "").isprintable()


@pytest.mark.parametrize("field", ["after", "larger", "has", "digest"])
def test_long_mistakes(field: str) -> None:
    """A mistake is told in one line of bearable length, however long it is itself."""
    with pytest.raises(QueryError) as error:
        parse(f"{field}:{'x' * 100_000}", now=NOW)
    assert len(error.value.message) < 200
