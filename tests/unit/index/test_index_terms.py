import pytest

from archiver.index.terms import terms_of
from archiver.query import parse


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("annual report", ["annual", "report"]),
        ('"annual report" draft', ["annual report", "draft"]),
        ("zoe@example.com", ["zoe example com"]),
        ("Report report RÉPORT", ["report"]),
        ("漢字", ["漢 字"]),
        ('5" disk', ["5", "disk"]),
        ('say "never ending', ["say", "never ending"]),
        ('a"b"c', ["a", "b", "c"]),
        ("", []),
        ('"" - * ( ) : ^', [""]),
        ("NEAR(a b, 5) x* OR subject:y", ["near a", "b", "5", "x", "or", "subject y"]),
    ],
)
def test_terms(typed: str, expected: list[str]) -> None:
    """What is typed is words and phrases, never syntax."""
    assert terms_of(parse(typed, now=0.0)) == expected
