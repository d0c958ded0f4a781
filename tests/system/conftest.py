"""What the tests of the whole command share."""

from pathlib import Path

import pytest
from by_hand import Place, bucket_place, directory_place
from command import PASSWORD, Archiver
from vandal import Vandal, bucket_vandal, directory_vandal

from infra.fixtures import Mailbox


@pytest.fixture
def archiver(tmp_path: Path, mailbox: Mailbox) -> Archiver:
    """The command, with the password of this test's mailbox."""
    return Archiver(tmp_path, {PASSWORD: mailbox.password})


@pytest.fixture(params=["directory", "ceph"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store of each kind."""
    if request.param == "directory":
        return directory_place(tmp_path / "archive")
    return bucket_place(request.getfixturevalue("bucket"), "mail/one")


@pytest.fixture(params=["directory", "ceph"])
def vandal(request: pytest.FixtureRequest, tmp_path: Path) -> Vandal:
    """A store of each kind, and the means to damage it."""
    if request.param == "directory":
        return directory_vandal(tmp_path / "archive")
    return bucket_vandal(request.getfixturevalue("bucket"))
