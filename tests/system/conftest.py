"""What the tests of the whole command share."""

from pathlib import Path

import pytest
from command import PASSWORD, Archiver

from infra.fixtures import Mailbox


@pytest.fixture
def archiver(tmp_path: Path, mailbox: Mailbox) -> Archiver:
    """The command, with the password of this test's mailbox."""
    return Archiver(tmp_path, {PASSWORD: mailbox.password})
