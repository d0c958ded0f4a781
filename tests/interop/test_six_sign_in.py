from concurrent.futures import ThreadPoolExecutor

import pytest
from command import PASSWORD, Archiver, one_clear_line
from corpus import letter
from observed import Column
from targets import Subject, listing, octets, opened, plain, signed_in, write_settings

from archiver.errors import ArchiverError, LoginRefused, ServerUnavailable
from archiver.pop3 import Credentials, Security
from archiver.pop3.mechanisms import MECHANISMS, Kind
from infra.bare_session import BareSession

WRONG = "battery staple"
NAMES = [
    name for name, each in MECHANISMS.items() if each.kind not in (Kind.TOKEN, Kind.CERTIFICATE)
]


def securities(subject: Subject) -> list[Security]:
    """What the server has, the best last."""
    if not subject.server.stls:
        return [Security.PLAIN]
    return [Security.PLAIN, Security.STLS, Security.TLS]


def offered(subject: Subject) -> list[str]:
    """The mechanisms that the server offers for passwords, as its words are read by hand."""
    with BareSession(subject.server.port) as session:
        stamped = b"<" in session.greeting
        lines = session.read("CAPA").splitlines() if knows_capa(subject) else []
    sasl = {word.decode() for line in lines if line.startswith(b"SASL ") for word in line.split()}
    others = {"user", "apop"} if stamped else {"user"}
    return [name for name in NAMES if name in others or MECHANISMS[name].sasl in sasl - {""}]


def knows_capa(subject: Subject) -> bool:
    """Whether the server answers CAPA."""
    with BareSession(subject.server.port) as session:
        return session.ask("CAPA").startswith(b"+OK")


def refusal(subject: Subject, security: Security, name: str) -> ArchiverError | None:
    """What the engine makes of a wrong password."""
    credentials = Credentials(subject.box.user, WRONG)
    with opened(subject.box, security) as session:
        try:
            session.sign_in(credentials, auth=name)
        except ArchiverError as error:
            return error
    return None


def test_each_way_to_sign_in(subject: Subject) -> None:
    """Every mechanism that a server offers lets in, with each kind of connection."""
    found = offered(subject)
    assert "user" in found
    for name in found:
        for security in securities(subject):
            with opened(subject.box, security) as session:
                session.sign_in(Credentials(subject.box.user, subject.box.password), auth=name)
                assert session.mechanism == name
                assert session.stat() == (0, 0)
                session.quit()
    subject.saw(Column.SIGN_IN, ", ".join(name.upper() for name in found))


def test_a_wrong_password_is_a_refused_login(subject: Subject) -> None:
    """It is told by the mechanism's name, and the password stands in no word of it."""
    found = offered(subject)
    best = securities(subject)[-1]
    # Servers take their time over a wrong password, so all are shown at once.
    with ThreadPoolExecutor(len(found)) as pool:
        errors = list(pool.map(lambda name: refusal(subject, best, name), found))
    for name, error in zip(found, errors, strict=True):
        assert isinstance(error, LoginRefused), (name, error)
        assert error.message.startswith(
            f"{subject.box.user} cannot sign in by {MECHANISMS[name].title}: "
        )
        assert WRONG not in error.message + error.hint


def test_what_is_not_offered_is_refused(subject: Subject) -> None:
    """A mechanism that the server lacks is a refused login, in our words or the server's."""
    asked = knows_capa(subject)
    for name in set(NAMES) - set(offered(subject)):
        error = refusal(subject, Security.PLAIN, name)
        assert isinstance(error, LoginRefused), (name, error)
        if name == "apop":
            assert "has no APOP" in error.message
        elif asked:
            assert f"does not offer {MECHANISMS[name].title}" in error.message
        else:
            assert f"cannot sign in by {MECHANISMS[name].title}" in error.message


def test_stls(subject: Subject, archiver: Archiver) -> None:
    """STLS leads to TLS where the server has it; elsewhere ``pop3://`` says so in one line."""
    subject.box.add([letter(1)])
    if subject.server.stls:
        with signed_in(subject.box, Security.STLS) as session:
            assert session.tls is not None
            found = octets(session.retrieve(listing(session)))
            session.quit()
        assert [plain(subject.server, each) for each in found] == [subject.server.served(letter(1))]
        subject.saw(Column.STLS, "yes")
        return
    with pytest.raises(ServerUnavailable, match="gives no TLS by STLS"):
        opened(subject.box, Security.STLS)
    url = f"pop3://{subject.box.user}@127.0.0.1:{subject.server.port}"
    write_settings(archiver.home, subject.box, server=url)
    done = archiver("run", code=5)
    assert "gives no TLS by STLS: " in one_clear_line(done)
    assert archiver.environment[PASSWORD] not in done.stderr
    subject.saw(Column.STLS, "not offered")
