"""Real servers for the tests that need them, started once a session and only when one asks.

Where a server cannot be had the tests that need it are skipped by its name, and the summary says
so again; under ``CI=true`` they fail instead, so that nothing goes untested unnoticed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from infra.ceph import Ceph
from infra.dovecot import Dovecot
from infra.fixtures import Bucket, Mailbox
from infra.process import ServerMissing

_numbers = count(1)
_missing: dict[str, str] = {}


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """A real POP3 server."""
    with _or_skip(), Dovecot(tmp_path_factory.mktemp("dovecot")) as server:
        yield server


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """A real S3 server."""
    with _or_skip(), Ceph(tmp_path_factory.mktemp("ceph")) as server:
        yield server


@pytest.fixture
def mailbox(dovecot: Dovecot) -> Mailbox:
    """An empty mailbox for this test alone."""
    box = Mailbox(dovecot, f"user{next(_numbers)}", "correct horse")
    dovecot.add_user(box.user, box.password)
    return box


@pytest.fixture
def bucket(ceph: Ceph) -> Bucket:
    """An empty bucket for this test alone."""
    made = Bucket(ceph, f"bucket-{next(_numbers)}")
    ceph.make_bucket(made.name)
    return made


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An AWS configuration that holds nothing of the machine that runs the tests."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return monkeypatch


@contextmanager
def _or_skip() -> Iterator[None]:
    try:
        yield
    except ServerMissing as missing:
        _missing[missing.server] = missing.reason
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with the real servers it uses, so that ``-m 'not ceph'`` leaves them out."""
    for item in items:
        for server in ("dovecot", "ceph"):
            if server in getattr(item, "fixturenames", ()):
                item.add_marker(server)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the servers that could not be had, and why."""
    if _missing:
        terminalreporter.section("real servers missing")
    for server, reason in sorted(_missing.items()):
        terminalreporter.line(f"{server}: {reason}")
