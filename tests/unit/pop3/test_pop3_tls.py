import hashlib
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tls_server import answering, server_context

from archiver.errors import ServerUnavailable, UsageError
from archiver.pop3 import Credentials, Limits, Security, Server, Session
from archiver.pop3.tls import context
from infra.certificate import Certificate, issue
from infra.faulty_pop3 import FaultyPop3

OLD = pytest.mark.filterwarnings("ignore:.*TLSv1.* is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 and localhost, and its authority."""
    return issue(tmp_path_factory.mktemp("certificate"))


def fingerprint(certificate: Certificate) -> str:
    """The SHA-256 of the server's certificate."""
    pem = certificate.certificate_file.read_text()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def serving(certificate: Certificate, security: Security) -> FaultyPop3:
    """A server with one message."""
    return FaultyPop3(
        [("u", b"hello\r\n")],
        certificate_file=str(certificate.certificate_file),
        key_file=str(certificate.key_file),
        implicit_tls=security is Security.TLS,
    )


def trusting(certificate: Certificate, port: int) -> Server:
    """The server as somebody knows it who trusts its authority."""
    return Server("127.0.0.1", port, Security.TLS, str(certificate.ca_file))


def test_default_is_strict() -> None:
    """Nothing older than TLS 1.2 is spoken, and the certificate and its name are checked."""
    made = context(Server("pop.example.com", 995))
    assert made.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert made.verify_mode is ssl.CERT_REQUIRED
    assert made.check_hostname
    assert made.security_level >= 1


@OLD
@pytest.mark.parametrize("tls_min", ["1.0", "1.1"])
def test_old_versions_are_no_worse_checked(tls_min: str) -> None:
    """Who accepts an old version still wants a certificate, and a cipher with a key."""
    made = context(Server("pop.example.com", 995, tls_min=tls_min))
    assert made.verify_mode is ssl.CERT_REQUIRED
    assert made.check_hostname
    assert not [one for one in made.get_ciphers() if one["auth"] == "auth-null"]


@OLD
@pytest.mark.parametrize(
    ("offered", "tls_min"),
    [
        ("1.0", "1.0"),
        ("1.1", "1.0"),
        ("1.1", "1.1"),
        ("1.2", "1.0"),
        ("1.2", "1.2"),
        ("1.3", "1.3"),
    ],
)
def test_version_that_is_accepted(certificate: Certificate, offered: str, tls_min: str) -> None:
    """A server that has but one version is served by it, and an old one is said out loud."""
    with answering(server_context(certificate, offered)) as port:
        session = Session.open(replace(trusting(certificate, port), tls_min=tls_min))
        assert session.tls is not None
        assert session.tls.version == f"TLS {offered}"
        assert len(session.warnings) == (offered in ("1.0", "1.1"))
        assert all(f"TLS {offered} was agreed on" in one for one in session.warnings)
        session.quit()


@OLD
@pytest.mark.parametrize(
    ("offered", "tls_min", "hint"),
    [
        ("1.0", "1.2", 'tls_min = "1.0"'),
        ("1.1", "1.2", 'tls_min = "1.0"'),
        ("1.0", "1.1", 'tls_min = "1.0"'),
        ("1.2", "1.3", 'tls_min = "1.2"'),
    ],
)
def test_version_that_is_too_old(
    certificate: Certificate, offered: str, tls_min: str, hint: str
) -> None:
    """A server whose TLS is too old hears nothing, and the hint names the older version."""
    heard: list[bytes] = []
    with answering(server_context(certificate, offered), heard) as port:
        with pytest.raises(ServerUnavailable, match=f"tls_min is {tls_min}") as caught:
            Session.open(replace(trusting(certificate, port), tls_min=tls_min))
        assert hint in caught.value.hint
    assert not heard


def test_old_ciphers(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has old ciphers alone is told apart, and served where that is accepted."""
    usual = ssl.create_default_context

    def strict(**options: Any) -> ssl.SSLContext:
        # Systems differ in what they take unless told otherwise; Debian's Python takes much.
        context = usual(**options)
        context.set_ciphers("ECDHE+AESGCM")
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    made = server_context(certificate, "1.2")
    made.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    with answering(made) as port:
        place = trusting(certificate, port)
        with pytest.raises(ServerUnavailable, match="handshake failure") as caught:
            Session.open(place)
        assert 'tls_min = "1.0"' in caught.value.hint
        Session.open(replace(place, tls_min="1.0")).quit()


@pytest.mark.parametrize("security", [Security.TLS, Security.STLS])
def test_fingerprint(tmp_path: Path, security: Security) -> None:
    """A pinned certificate is taken though no authority vouches for it and its name is another."""
    certificate = issue(tmp_path, "other.example")
    pinned = fingerprint(certificate)
    with serving(certificate, security) as server:
        place = Server("127.0.0.1", server.port, security, fingerprint=pinned)
        with Session.open(place) as session:
            session.sign_in(Credentials("user", "secret"))
            assert session.stat() == (1, 7)
            assert session.tls is not None
            assert session.tls.verified_by == "fingerprint"
            assert session.tls.fingerprint == pinned


def test_other_fingerprint(certificate: Certificate) -> None:
    """Any other certificate is refused, also by its authority: both digests are in one line."""
    heard: list[bytes] = []
    with answering(server_context(certificate), heard) as port:
        place = replace(trusting(certificate, port), fingerprint="0" * 64)
        with pytest.raises(ServerUnavailable) as caught:
            Session.open(place)
    assert fingerprint(certificate) in caught.value.message
    assert "0" * 64 in caught.value.message
    assert "\n" not in caught.value.message
    assert "somebody stands between" in caught.value.hint
    assert not heard


@pytest.mark.parametrize("security", [Security.TLS, Security.STLS])
def test_untrusted_certificate_shows_its_fingerprint(
    certificate: Certificate, security: Security
) -> None:
    """A certificate that nobody vouches for is shown by its digest, and hears no user's name."""
    with serving(certificate, security) as server:
        with pytest.raises(ServerUnavailable, match="not trusted") as caught:
            Session.open(Server("127.0.0.1", server.port, security))
        assert server.commands == ["STLS"] * (2 * (security is Security.STLS))
    assert "ca_file" in caught.value.hint
    assert f"tls_fingerprint = {fingerprint(certificate)}" in caught.value.hint


def test_untrusted_certificate_of_a_server_that_then_goes(certificate: Certificate) -> None:
    """Where the digest cannot be had, the refusal is said without it."""
    with serving(certificate, Security.STLS) as server:
        place = Server("127.0.0.1", server.port, Security.STLS)
        limits = Limits(connect_timeout=5)
        server.faults = replace(server.faults, drop_after=[None, 3])
        with pytest.raises(ServerUnavailable, match="not trusted") as caught:
            Session.open(place, limits)
    assert "tls_fingerprint" not in caught.value.hint


def test_what_is_known_of_the_server(certificate: Certificate) -> None:
    """Version, cipher and certificate are told, in the same words however it is trusted."""
    with answering(server_context(certificate)) as port:
        place = trusting(certificate, port)
        with Session.open(place) as session:
            trusted = session.tls
        with Session.open(replace(place, fingerprint=fingerprint(certificate))) as session:
            pinned = session.tls
    assert trusted is not None
    assert pinned == replace(trusted, verified_by="fingerprint")
    assert trusted.version == "TLS 1.3"
    assert "AES" in trusted.cipher or "CHACHA20" in trusted.cipher
    assert trusted.fingerprint == fingerprint(certificate)
    assert "trustme" in trusted.issuer
    assert set(trusted.names) == {"127.0.0.1", "localhost", "::1"}
    assert trusted.not_before.endswith("Z")
    assert trusted.not_before < trusted.not_after


def test_nothing_is_known_without_tls() -> None:
    """A connection without TLS has no certificate, and says that it is open to all."""
    with (
        FaultyPop3() as server,
        Session.open(Server("127.0.0.1", server.port, Security.PLAIN)) as session,
    ):
        assert session.tls is None
        (warning,) = session.warnings
        assert warning.startswith("no TLS")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("one_file", [True, False])
def test_client_certificate(
    certificate: Certificate, tmp_path: Path, version: str, one_file: bool
) -> None:
    """Our own certificate is shown to a server that wants one, its key in the same file or not."""
    file, key = certificate.client_file, certificate.client_key_file
    together = tmp_path / "together.pem"
    together.write_bytes(file.read_bytes() + key.read_bytes())
    with answering(server_context(certificate, version, wants_ours=True)) as port:
        place = trusting(certificate, port)
        place = replace(place, client_cert=str(together if one_file else file))
        place = replace(place, client_key=None if one_file else str(key))
        Session.open(place).quit()


@pytest.mark.parametrize(
    ("version", "words"), [("1.2", "handshake failure"), ("1.3", "wants a certificate of ours")]
)
def test_no_client_certificate(certificate: Certificate, version: str, words: str) -> None:
    """A server that wants a certificate of ours is told from one that hangs up."""
    with (
        answering(server_context(certificate, version, wants_ours=True)) as port,
        pytest.raises(ServerUnavailable, match=words) as caught,
    ):
        Session.open(trusting(certificate, port))
    assert "client_cert" in caught.value.hint


def test_client_certificate_that_is_not_taken(certificate: Certificate, tmp_path: Path) -> None:
    """A certificate of ours that the server does not know is named."""
    other = issue(tmp_path)
    with answering(server_context(certificate, "1.3", wants_ours=True)) as port:
        place = replace(
            trusting(certificate, port),
            client_cert=str(other.client_file),
            client_key=str(other.client_key_file),
        )
        with pytest.raises(ServerUnavailable, match="does not take our certificate") as caught:
            Session.open(place)
    assert str(other.client_file) in caught.value.hint


def encrypted(certificate: Certificate, directory: Path) -> Path:
    """The client's key behind a pass phrase."""
    file = directory / "encrypted.key"
    command = ["openssl", "pkey", "-aes128", "-passout", "pass:phrase"]
    source = str(certificate.client_key_file)
    subprocess.run([*command, "-in", source, "-out", str(file)], check=True)
    return file


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing", "client_cert .*no-such.pem cannot be read"),
        ("missing key", "client_key .*no-such.pem cannot be read"),
        ("no key", "cannot be used"),
        ("no PEM", "cannot be used"),
        ("other key", "do not belong together"),
        ("encrypted", "is encrypted"),
    ],
)
def test_unusable_client_certificate(
    certificate: Certificate, tmp_path: Path, what: str, words: str
) -> None:
    """A certificate of ours that cannot be used is a mistake in the settings that is named."""
    nothing, noise = tmp_path / "no-such.pem", tmp_path / "noise.pem"
    noise.write_bytes(b"noise")
    file, key = certificate.client_file, certificate.client_key_file
    cert_and_key: dict[str, tuple[Path, Path | None]] = {
        "missing": (nothing, key),
        "missing key": (file, nothing),
        "no key": (file, None),
        "no PEM": (noise, noise),
        "other key": (file, certificate.key_file),
        "encrypted": (file, key),
    }
    cert, its_key = cert_and_key[what]
    if what == "encrypted":
        its_key = encrypted(certificate, tmp_path)
    place = Server("127.0.0.1", 1, client_cert=str(cert))
    if its_key is not None:
        place = replace(place, client_key=str(its_key))
    with pytest.raises(UsageError, match=words) as caught:
        Session.open(place)
    assert "\n" not in caught.value.message
