"""TLS: whom we trust, which versions we speak, and what to do when it comes to nothing.

A certificate is trusted because an authority vouches for it and it names the server, or because its
SHA-256 is the one that was pinned; then authorities, names and dates do not count. Nothing is said
inside a connection before that is decided.
"""

import hashlib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket

from archiver.errors import ArchiverError, ServerUnavailable, UsageError
from archiver.pop3.names import certified_name
from archiver.pop3.server import Security, Server
from archiver.stopping import Stop

LIBRARY = ssl.OPENSSL_VERSION
"""The library that all TLS of ours is made by, and its version."""

# In the order of their age, by the names that OpenSSL gives them.
_VERSIONS = {"TLSv1": "1.0", "TLSv1.1": "1.1", "TLSv1.2": "1.2", "TLSv1.3": "1.3"}
_OLD = ("1.0", "1.1")
# OpenSSL 3 speaks TLS before 1.2, and takes keys of its time, only at this level.
_OLD_CIPHERS = "DEFAULT:@SECLEVEL=0"
# What Python 3.11.2 calls the error that later ones call SSLEOFError.
_UNEXPECTED_EOF = "UNEXPECTED_EOF_WHILE_READING"
_OTHER_VERSION = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL")
_WEAK = ("SSLV3_ALERT_HANDSHAKE_FAILURE", "DH_KEY_TOO_SMALL", "WRONG_SIGNATURE_TYPE", "TOO_WEAK")
# With TLS 1.3 the server's opinion of our certificate comes after the handshake.
_OURS_REFUSED = (
    "CERTIFICATE_REQUIRED",
    "ALERT_UNKNOWN_CA",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_ACCESS_DENIED",
)


class Untrusted(ServerUnavailable):
    """No authority that we trust vouches for the server's certificate, or it names another host."""


class OtherCertificate(ServerUnavailable):
    """The certificate is not the pinned one; ``seen`` is its fingerprint."""

    seen = ""


def with_fingerprint(
    error: Untrusted, server: Server, attempt: Callable[[Server], object]
) -> Untrusted:
    """The error, with the fingerprint of the certificate in its hint, for a person to check.

    Args:
        error: what was said of the certificate.
        server: whose it is.
        attempt: connects to such a server up to the handshake; a failed one cannot be asked what
            it saw. Since no certificate has an empty fingerprint, it says nothing more.
    """
    try:
        attempt(replace(server, fingerprint="", client_cert=None, client_key=None))
    except OtherCertificate as other:
        confirmed = f"or, once its operator confirmed it, tls_fingerprint = {other.seen}"
        return Untrusted(error.message, hint=f"{error.hint}; {confirmed}")
    except ArchiverError:
        pass
    return error


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What was agreed on, and who the server is.

    Args:
        version: such as ``TLS 1.3``.
        cipher: as OpenSSL names it.
        fingerprint: SHA-256 of the certificate in DER, lower-case hex.
        subject, issuer, names, not_before, not_after: see ``certificate.Certificate``.
        verified_by: ``authorities`` or ``fingerprint``.
    """

    version: str
    cipher: str
    fingerprint: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    verified_by: str


def context(server: Server) -> ssl.SSLContext:
    """How a handshake with this server is to be held.

    Raises:
        UsageError: the CA file, or our own certificate, cannot be used.
    """
    if server.fingerprint is None:
        made = _verifying(server)
    else:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # The fingerprint is compared once the handshake is over, before anything is said.
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    # Python 3.11.2 lets an end without close_notify pass for an end unless it is told not to.
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if server.tls_min in _OLD:
        # To name TLS 1.0 or 1.1 here is deprecated; what was agreed is looked at afterwards.
        made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        made.set_ciphers(_OLD_CIPHERS)
    elif server.tls_min == "1.3":
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    else:
        made.minimum_version = ssl.TLSVersion.TLSv1_2
    if server.client_cert is not None:
        _identify(made, server.client_cert, server.client_key)
    return made


def handshake(
    made: ssl.SSLContext, connection: socket, server: Server, seconds: float, stop: Stop
) -> ssl.SSLSocket:
    """Makes a connection secure, or closes it.

    Args:
        made: of ``context``.
        connection: to the server.
        server: whose name, version and fingerprint are looked at.
        seconds: for the whole handshake, however the server spreads its octets.
        stop: breaks it off.

    Raises:
        Interrupted: the run should have ended by now.
        ServerUnavailable: it came to nothing; ``Untrusted`` and ``OtherCertificate`` say whose
            certificate was not taken.
        UsageError: no host can be called so.
    """
    name = certified_name(server.host)
    try:
        secured = made.wrap_socket(
            connection,
            server_hostname=name,
            do_handshake_on_connect=False,
            # An end of the stream without close_notify is an error, not an end (RFC 8446 6.1).
            suppress_ragged_eofs=False,
        )
    except (OSError, ValueError) as error:
        connection.close()
        raise _failed(server, error) from error
    try:
        _shake_hands(secured, server, seconds, stop)
        _check_version(secured, server)
        _check_fingerprint(secured, server)
    except BaseException:
        secured.close()
        raise
    return secured


def describe(secured: ssl.SSLSocket, server: Server) -> TlsInfo:
    """What was agreed on, for people."""
    # Only who asks pays for what reads it.
    from archiver.pop3.certificate import read_certificate

    der = secured.getpeercert(binary_form=True) or b""
    said = read_certificate(der)
    cipher = secured.cipher()
    return TlsInfo(
        version=f"TLS {_version(secured)}",
        cipher=cipher[0] if cipher else "",
        fingerprint=_fingerprint(der),
        subject=said.subject,
        issuer=said.issuer,
        names=said.names,
        not_before=said.not_before,
        not_after=said.not_after,
        verified_by="authorities" if server.fingerprint is None else "fingerprint",
    )


def warning(secured: ssl.SSLSocket) -> str:
    """What should worry people about what was agreed on; nothing where all is well."""
    version = _version(secured)
    if version not in _OLD:
        return ""
    return f"TLS {version} was agreed on: it is old, and mail may be read or changed on the way"


def reason(error: Exception) -> str:
    """What went wrong, in plain words."""
    if isinstance(error, ssl.SSLEOFError) or getattr(error, "reason", "") == _UNEXPECTED_EOF:
        return "the server ended TLS without saying so"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def refusal(server: Server, error: Exception) -> ServerUnavailable | None:
    """The server's opinion of our certificate, where that is what the error says."""
    if not any(word in str(getattr(error, "reason", "")) for word in _OURS_REFUSED):
        return None
    if server.client_cert is None:
        return ServerUnavailable(
            f"{server.address} wants a certificate of ours",
            hint="name it in client_cert, and its key in client_key",
        )
    return ServerUnavailable(
        f"{server.address} does not take our certificate: {reason(error)}",
        hint=f"only the server's operator can say why {server.client_cert} is not taken",
    )


def _verifying(server: Server) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:
        raise UsageError(
            f"ca_file {server.ca_file} cannot be used: {reason(error)}",
            hint="ca_file must name a readable file of certificates in PEM",
        ) from error


def _identify(made: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Presents our own certificate to servers that ask for it."""
    for option, file in (("client_cert", certificate), ("client_key", key)):
        if file is not None:
            _require_readable(option, file)

    def encrypted() -> str:
        # OpenSSL would ask at the terminal.
        raise UsageError(
            f"the key in {key or certificate} is encrypted",
            hint="decrypt it into a file that only you can read: openssl pkey -in KEY -out FILE",
        )

    try:
        made.load_cert_chain(certificate, key, password=encrypted)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            said, hint = "do not belong together", "the key must be the one of the certificate"
        else:
            said, hint = "cannot be used", "certificate and key must be in PEM, in one file or two"
        files = certificate if key is None else f"{certificate} and {key}"
        raise UsageError(f"certificate and key in {files} {said}", hint=hint) from error


def _require_readable(option: str, file: str) -> None:
    try:
        Path(file).open("rb").close()
    except OSError as error:
        raise UsageError(f"{option} {file} cannot be read: {reason(error)}") from error


def _shake_hands(secured: ssl.SSLSocket, server: Server, seconds: float, stop: Stop) -> None:
    try:
        for part in stop.slices(seconds):
            secured.settimeout(part)
            with suppress(TimeoutError):
                secured.do_handshake()
                return
        raise TimeoutError
    except (OSError, ValueError) as error:
        raise _failed(server, error) from error


def _version(secured: ssl.SSLSocket) -> str:
    return _VERSIONS.get(secured.version() or "", "unknown")


def _check_version(secured: ssl.SSLSocket, server: Server) -> None:
    versions = list(_VERSIONS.values())
    agreed = _version(secured)
    if agreed not in versions or versions.index(agreed) < versions.index(server.tls_min):
        raise _other_version(server, f"only TLS {agreed}")


def _check_fingerprint(secured: ssl.SSLSocket, server: Server) -> None:
    if server.fingerprint is None:
        return
    seen = _fingerprint(secured.getpeercert(binary_form=True) or b"")
    if seen == server.fingerprint:
        return
    error = OtherCertificate(
        f"{server.address} has the certificate {seen}, and not {server.fingerprint}",
        hint="either the server has a new certificate or somebody stands between:"
        " ask its operator before you change tls_fingerprint",
    )
    error.seen = seen
    raise error


def _fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def _failed(server: Server, error: Exception) -> ServerUnavailable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted(
            f"the certificate of {server.address} is not trusted: {error.verify_message}",
            hint=_untrusted_hint(server, error.verify_message),
        )
    if isinstance(error, TimeoutError):
        return ServerUnavailable(f"{server.address} did not finish the TLS handshake in time")
    said = str(getattr(error, "reason", ""))
    if said in _OTHER_VERSION:
        return _other_version(server, "no version of TLS that we accept")
    if refused := refusal(server, error):
        return refused
    hint = "perhaps this port speaks POP3 with STLS (pop3://, usually 110)"
    if any(word in said for word in _WEAK) and server.tls_min not in _OLD:
        hint = 'an old server may need tls_min = "1.0", which also takes old ciphers and keys'
        if server.client_cert is None:
            hint += "; one that wants a certificate of ours, client_cert"
    elif server.security is not Security.TLS:
        hint = "something between here and the server may be interfering"
    return ServerUnavailable(f"no TLS with {server.address}: {reason(error)}", hint=hint)


def _other_version(server: Server, offered: str) -> ServerUnavailable:
    older = {"1.3": "1.2", "1.2": "1.0", "1.1": "1.0"}.get(server.tls_min)
    return ServerUnavailable(
        f"{server.address} offers {offered}, and tls_min is {server.tls_min}",
        hint=f'if it cannot be brought up to date, accept what it has by tls_min = "{older}"'
        if older
        else "it speaks nothing that this machine's OpenSSL still knows",
    )


def _untrusted_hint(server: Server, said: str) -> str:
    if "mismatch" in said:
        return f"use the host name that the certificate was made out to instead of {server.host}"
    if "expired" in said or "not yet valid" in said:
        return "the server needs a new certificate, or the clock of this machine is wrong"
    return "if you trust its issuer, name the issuer's certificate in the option ca_file"
