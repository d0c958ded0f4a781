"""Every way to sign in to a real Dovecot: right and wrong, with TLS and without."""

from itertools import count

import pytest

from archiver.errors import LoginRefused
from archiver.pop3 import Credentials, Security, Server, Session
from infra.dovecot import Dovecot

PASSWORD = "correct hörse, = battery"
WITH_PASSWORD = [
    *("auto", "plain", "user", "login", "cram-md5", "apop", "scram-sha-1", "scram-sha-256")
]
WITH_AUTHZID = ["auto", "plain", "scram-sha-1", "scram-sha-256"]
BOTH = (Security.TLS, Security.STLS)
_numbers = count(1)


class Lines(list[str]):
    """A transcript that keeps the commands."""

    def sent(self, line: str) -> None:
        self.append(line)

    def received(self, line: str) -> None:
        pass


@pytest.fixture
def user(every_sign_in: Dovecot) -> str:
    """A user of whom the server knows the password itself, in a mailbox of two messages."""
    return _add(every_sign_in, "PLAIN")


def _add(dovecot: Dovecot, scheme: str) -> str:
    user = f"{scheme.lower()}-{next(_numbers)}"
    dovecot.add_user(user, PASSWORD, scheme)
    dovecot.add(user, [b"Subject: a\n\n", b"Subject: b\n\n"])
    return user


def _open(
    dovecot: Dovecot, security: Security, *, certificate: bool = False, lines: Lines | None = None
) -> Session:
    client = dovecot.directory / "client.pem", dovecot.directory / "client.key"
    server = Server(
        "127.0.0.1",
        dovecot.tls_port if security is Security.TLS else dovecot.port,
        security,
        None if security is Security.PLAIN else str(dovecot.ca_file),
        client_cert=str(client[0]) if certificate else None,
        client_key=str(client[1]) if certificate else None,
    )
    return Session.open(server, transcript=lines)


@pytest.mark.parametrize("security", list(Security))
@pytest.mark.parametrize("auth", WITH_PASSWORD)
def test_right_password(every_sign_in: Dovecot, user: str, auth: str, security: Security) -> None:
    """Each way opens the mailbox with the right password."""
    with _open(every_sign_in, security) as session:
        session.sign_in(Credentials(user, PASSWORD), auth=auth)
        assert session.mechanism == ("scram-sha-256" if auth == "auto" else auth)
        assert session.stat()[0] == 2
        session.quit()


@pytest.mark.parametrize("security", list(Security))
@pytest.mark.parametrize("auth", WITH_PASSWORD)
def test_wrong_password(every_sign_in: Dovecot, user: str, auth: str, security: Security) -> None:
    """Each way refuses a wrong password, and says that it is the password."""
    with (
        _open(every_sign_in, security) as session,
        pytest.raises(LoginRefused, match=r"user name or password is wrong; .*\[AUTH\]") as caught,
    ):
        session.sign_in(Credentials(user, "another horse"), auth=auth)
    assert "another horse" not in caught.value.message
    assert session.mechanism == ""


@pytest.mark.parametrize("security", list(Security))
@pytest.mark.parametrize(
    ("scheme", "mechanism"),
    [
        ("SHA512-CRYPT", "plain"),
        ("SCRAM-SHA-1", "plain"),
        ("CRAM-MD5", "plain"),
        ("SCRAM-SHA-256", "scram-sha-256"),
    ],
)
def test_fallback(every_sign_in: Dovecot, scheme: str, mechanism: str, security: Security) -> None:
    """A user for whom Dovecot keeps a hash cannot use what it advertises: PLAIN lets them in."""
    user, lines = _add(every_sign_in, scheme), Lines()
    with _open(every_sign_in, security, lines=lines) as session:
        session.sign_in(Credentials(user, PASSWORD))
        assert session.mechanism == mechanism
        assert session.stat()[0] == 2
        session.quit()
    tried = [line.split(" ")[1] for line in lines if line.startswith("AUTH")]
    assert tried == ["SCRAM-SHA-256", "PLAIN"][: 1 + (mechanism == "plain")]


def test_remembered(every_sign_in: Dovecot) -> None:
    """What worked the last time is tried first, and nothing else needs to be."""
    user, lines = _add(every_sign_in, "SHA512-CRYPT"), Lines()
    with _open(every_sign_in, Security.TLS, lines=lines) as session:
        session.sign_in(Credentials(user, PASSWORD), remembered="plain")
        assert session.mechanism == "plain"
    assert [line for line in lines if line.startswith("AUTH")] == ["AUTH PLAIN ****"]


@pytest.mark.parametrize("auth", ["scram-sha-1", "cram-md5", "apop"])
def test_missing_secret_by_name(every_sign_in: Dovecot, auth: str) -> None:
    """A mechanism that was named has no fallback."""
    user = _add(every_sign_in, "SHA512-CRYPT")
    with _open(every_sign_in, Security.TLS) as session, pytest.raises(LoginRefused):
        session.sign_in(Credentials(user, PASSWORD), auth=auth)


@pytest.mark.parametrize("auth", WITH_AUTHZID)
def test_master_user(every_sign_in: Dovecot, user: str, auth: str) -> None:
    """An administrator opens another's mailbox with the administrator's own password."""
    every_sign_in.add_master("admin", "master key")
    with _open(every_sign_in, Security.TLS) as session:
        session.sign_in(Credentials("admin", "master key", authzid=user), auth=auth)
        assert session.stat()[0] == 2
    for name, password in (("admin", "wrong"), (user, PASSWORD)):
        with _open(every_sign_in, Security.TLS) as session, pytest.raises(LoginRefused):
            session.sign_in(Credentials(name, password, authzid="somebody"), auth=auth)


@pytest.fixture(scope="session")
def certified(every_sign_in: Dovecot) -> str:
    """The user to whom the client's certificate was made out."""
    every_sign_in.add_user("user", PASSWORD)
    every_sign_in.add("user", [b"Subject: a\n\n"])
    return "user"


@pytest.mark.parametrize("security", BOTH)
@pytest.mark.parametrize("auth", ["auto", "external"])
def test_certificate(every_sign_in: Dovecot, certified: str, auth: str, security: Security) -> None:
    """A certificate opens its owner's mailbox without any password."""
    with _open(every_sign_in, security, certificate=True) as session:
        session.sign_in(Credentials(certified, None, certificate=True), auth=auth)
        assert session.mechanism == "external"
        assert session.stat()[0] == 1
        session.quit()


def test_certificate_that_is_not_shown(every_sign_in: Dovecot, certified: str) -> None:
    """EXTERNAL is refused where no certificate was shown, and the password lets them in."""
    with _open(every_sign_in, Security.TLS) as session, pytest.raises(LoginRefused) as caught:
        session.sign_in(Credentials(certified, None, certificate=True), auth="external")
    assert "certificate" in caught.value.message
    with _open(every_sign_in, Security.TLS) as session:
        session.sign_in(Credentials(certified, PASSWORD, certificate=True))
        assert session.mechanism == "plain"


def test_certificate_for_another_mailbox(every_sign_in: Dovecot, certified: str, user: str) -> None:
    """A certificate does not open the mailbox of somebody else."""
    credentials = Credentials(certified, None, authzid=user, certificate=True)
    with (
        _open(every_sign_in, Security.TLS, certificate=True) as session,
        pytest.raises(LoginRefused, match="certificate was refused"),
    ):
        session.sign_in(credentials)


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_not_offered(every_sign_in: Dovecot, user: str, auth: str) -> None:
    """Access tokens, which this server does not take, are not tried, and what it takes is said."""
    asked: list[bool] = []

    def token(*, refused: bool = False) -> str:
        asked.append(refused)
        return "token"

    with (
        _open(every_sign_in, Security.TLS) as session,
        pytest.raises(LoginRefused, match="does not offer") as caught,
    ):
        session.sign_in(Credentials(user, None, token=token), auth=auth)
    assert "SCRAM-SHA-256" in caught.value.hint
    assert asked == []
