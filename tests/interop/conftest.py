"""What the tests of six servers share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command import PASSWORD, Archiver
from observed import Observed
from targets import Subject, Target, params

from infra.fixtures import PopMailbox, PopServer


@pytest.fixture(scope="session")
def observed() -> Observed:
    """What is seen of the servers in this session."""
    return Observed()


@pytest.fixture(params=params())
def subject(
    request: pytest.FixtureRequest,
    mailbox_on: Callable[[PopServer], PopMailbox],
    observed: Observed,
) -> Subject:
    """Each server in turn, or those that ``on`` names, with an empty mailbox."""
    target: Target = request.param
    return Subject(target, mailbox_on(request.getfixturevalue(target.fixture)), observed)


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    """The command, with the password of every mailbox."""
    return Archiver(tmp_path, {PASSWORD: "correct horse"})
