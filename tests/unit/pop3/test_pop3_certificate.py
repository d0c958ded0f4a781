from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from archiver.pop3.certificate import Certificate, read_certificate

KEY = ec.generate_private_key(ec.SECP256R1())


def made(*names: str, common_name: str = "pop.example.com") -> bytes:
    """A certificate in DER, signed by itself."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ex, Ample"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    builder = (
        x509.CertificateBuilder(name, name, KEY.public_key(), 1)
        .not_valid_before(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC))
        .not_valid_after(datetime(2051, 1, 1, tzinfo=UTC))
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def test_fields() -> None:
    """Whom a certificate is for, who made it out and when it is good are in plain words."""
    assert read_certificate(made("pop.example.com", "xn--bcher-kva.example")) == Certificate(
        subject="O=Ex, Ample, CN=pop.example.com",
        issuer="O=Ex, Ample, CN=pop.example.com",
        names=("pop.example.com", "bücher.example"),
        not_before="2020-01-02T03:04:05Z",
        not_after="2051-01-01T00:00:00Z",
    )


def test_no_names() -> None:
    """A certificate of the time before alternative names has none."""
    assert read_certificate(made()).names == ()


def test_words_of_a_hostile_certificate() -> None:
    """Nothing that a certificate says moves a cursor or fills a screen."""
    read = read_certificate(made(*(f"n{n}.example" for n in range(500)), common_name="\x1b[2Jx"))
    assert read.subject.isprintable()
    assert len(read.names) == 100


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"\x30\x03\x02\x01\x00", made()[:200]])
def test_no_certificate(der: bytes) -> None:
    """What is no certificate says nothing."""
    assert read_certificate(der) == Certificate()


@given(st.integers(0, len(made("a.example")) - 1), st.integers(0, 255))
def test_damaged_certificate(at: int, octet: int) -> None:
    """A certificate with any octet changed is read in part, or says nothing; it never fails."""
    der = bytearray(made("a.example"))
    der[at % len(der)] = octet
    assert isinstance(read_certificate(bytes(der)), Certificate)
