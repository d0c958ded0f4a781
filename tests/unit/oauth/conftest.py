"""A real authorization server for each test, and a person who uses it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.authorization import Authorization
from tests.unit.oauth.oauth_helpers import Person


@pytest.fixture
def authority() -> Iterator[Authorization]:
    """An authorization server of this test alone."""
    with Authorization() as server:
        yield server


@pytest.fixture
def person(authority: Authorization, tmp_path: Path) -> Person:
    """Somebody who has not signed in yet, on a machine without a keyring."""
    return Person(authority, tmp_path)
