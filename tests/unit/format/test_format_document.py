"""What a store says of itself."""

import json

import pytest

from archiver.errors import IntegrityError
from archiver.format import check_format, format_document


def test_format_document() -> None:
    """Our own format document is accepted, also with fields of a later version."""
    check_format(format_document())
    check_format(json.dumps({**json.loads(format_document()), "later": 1}).encode())


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"format": 1, "requires": 5}',
        b'{"format": 1, "requires": ["encryption"]}',
        b'{"format": 2, "requires": []}',
    ],
    ids=range(8),
)
def test_other_format(octets: bytes) -> None:
    """A store that is no archive, or one that this version cannot read, is refused."""
    with pytest.raises(IntegrityError) as caught:
        check_format(octets)
    assert caught.value.hint
