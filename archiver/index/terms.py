"""The words of a query, as the full-text table knows them."""

from archiver.index.normalise import tokens
from archiver.query import All, Query, Text


def terms_of(query: Query) -> list[str]:
    """The distinct texts of a query in their order, each of words between spaces.

    One without a letter or digit is empty: nothing holds it.
    """
    match query:
        case All(each):
            found = [term for one in each for term in terms_of(one)]
        case Text():
            found = [" ".join(tokens(query.text))]
        case _:
            found = []
    return list(dict.fromkeys(found))


def quoted(term: str) -> str:
    """``term`` as an FTS5 string; a normalised term holds no quotes that would end it."""
    return f'"{term}"'
