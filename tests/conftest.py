"""Real servers for the tests that need them, started once a session and only when one asks.

Where a server cannot be had the tests that need it are skipped by its name, and the summary says
so again; under ``CI=true`` they fail instead, so that nothing goes untested unnoticed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from infra.ceph import Ceph
from infra.courier import Courier
from infra.crash import shim
from infra.crash.conductor import Players, players
from infra.cyrus import Cyrus
from infra.dovecot import Dovecot
from infra.dovecot_imap import DovecotImap
from infra.fixtures import Bucket, Mailbox, PopMailbox, PopServer
from infra.mailutils import Mailutils
from infra.popa3d import Popa3d
from infra.process import ServerMissing
from infra.proxies import Proxies
from infra.solid_pop3d import SolidPop3d

_numbers = count(1)
# The marker of each fixture that starts a server.
_MARKERS = {
    "ceph": "ceph",
    "courier": "courier",
    "crash_library": "gcc",
    "crash_players": "gcc",
    "cyrus": "cyrus",
    "dovecot": "dovecot",
    "dovecot_imap": "dovecot",
    "dovecot_imap_like": "dovecot",
    "every_sign_in": "dovecot",
    "mailutils": "mailutils",
    "mailutils_mbox": "mailutils",
    "popa3d": "popa3d",
    "proxies": "proxies",
    "solid_pop3d": "solid_pop3d",
    "solid_pop3d_mbox": "solid_pop3d",
}
_missing: dict[str, str] = {}
settings.register_profile("long", max_examples=2_000, stateful_step_count=25, deadline=None)


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """A real POP3 server."""
    with _or_skip(), Dovecot(tmp_path_factory.mktemp("dovecot")) as server:
        yield server


@pytest.fixture(scope="session")
def dovecot_imap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DovecotImap]:
    """A real server of POP3 and IMAP."""
    with _or_skip(), DovecotImap(tmp_path_factory.mktemp("dovecot-imap")) as server:
        yield server


@pytest.fixture
def dovecot_imap_like(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[DovecotImap]]:
    """Starts a real server of POP3 and IMAP for one test, with what it is to do otherwise."""

    @contextmanager
    def start(**otherwise: Any) -> Iterator[DovecotImap]:
        directory = tmp_path_factory.mktemp("dovecot-imap")
        with _or_skip(), DovecotImap(directory, **otherwise) as server:
            yield server

    return start


@pytest.fixture(scope="session")
def every_sign_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    """A Dovecot with every way to sign in that it has."""
    with (
        _or_skip(),
        Dovecot(tmp_path_factory.mktemp("every-sign-in"), every_sign_in=True) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def courier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Courier]:
    """A real POP3 server with UTF8 and CRAM, over maildirs."""
    with _or_skip(), Courier(tmp_path_factory.mktemp("courier")) as server:
        yield server


@pytest.fixture(scope="session")
def crash_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that is preloaded into what is to be killed or cut off."""
    with _or_skip():
        return shim.build(tmp_path_factory.mktemp("crash"))


@pytest.fixture(scope="session")
def crash_players() -> Iterator[Players]:
    """Processes that play schedules of crashes."""
    with _or_skip(), players() as ready:
        yield ready


@pytest.fixture(scope="session")
def cyrus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cyrus]:
    """A real POP3 server with SCRAM and APOP, that ends TLS without a word."""
    with _or_skip(), Cyrus(tmp_path_factory.mktemp("cyrus")) as server:
        yield server


@pytest.fixture(scope="session")
def popa3d(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Popa3d]:
    """A real POP3 server without CAPA."""
    with _or_skip(), Popa3d(tmp_path_factory.mktemp("popa3d")) as server:
        yield server


@pytest.fixture(scope="session")
def solid_pop3d(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolidPop3d]:
    """A real POP3 server without CAPA but with APOP, over maildirs."""
    with _or_skip(), SolidPop3d(tmp_path_factory.mktemp("solid-pop3d")) as server:
        yield server


@pytest.fixture(scope="session")
def solid_pop3d_mbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolidPop3d]:
    """The same server over mbox files."""
    with _or_skip(), SolidPop3d(tmp_path_factory.mktemp("solid-pop3d"), "mbox") as server:
        yield server


@pytest.fixture(scope="session")
def mailutils(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailutils]:
    """A real POP3 server that writes into the mail that it serves, over maildirs."""
    with _or_skip(), Mailutils(tmp_path_factory.mktemp("mailutils")) as server:
        yield server


@pytest.fixture(scope="session")
def mailutils_mbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailutils]:
    """The same server over mbox files."""
    with _or_skip(), Mailutils(tmp_path_factory.mktemp("mailutils"), "mbox") as server:
        yield server


@pytest.fixture(scope="session")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    """Real proxies, to whom alone pop.example.test is this machine."""
    hosts = {"pop.example.test": "127.0.0.1"}
    with _or_skip(), Proxies(tmp_path_factory.mktemp("proxies"), hosts) as started:
        yield started


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
def mailbox_on() -> Callable[[PopServer], PopMailbox]:
    """Makes empty mailboxes for this test alone on the server that it names."""

    def make(server: PopServer) -> PopMailbox:
        box = PopMailbox(server, f"user{next(_numbers)}", "correct horse")
        server.add_user(box.user, box.password)
        return box

    return make


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


@pytest.fixture
def ceph_aws(bucket: Bucket, aws: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket on the real server, which the AWS configuration points to."""
    for name, value in bucket.environment.items():
        aws.setenv(name, value)
    return bucket


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
        for fixture, marker in _MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the servers that could not be had, and why."""
    if _missing:
        terminalreporter.section("real servers missing")
    for server, reason in sorted(_missing.items()):
        terminalreporter.line(f"{server}: {reason}")
