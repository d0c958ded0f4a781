"""A POP3 server of a few words behind whatever TLS a test wants; no test of its own."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from infra.certificate import Certificate

VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def server_context(
    certificate: Certificate, version: str = "", *, wants_ours: bool = False
) -> ssl.SSLContext:
    """The server's side of TLS: one version alone, or any, and with a client's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    if version:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = VERSIONS[version]
    if wants_ours:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate.ca_file)
    return context


@contextmanager
def answering(context: ssl.SSLContext, heard: list[bytes] | None = None) -> Iterator[int]:
    """The port of a server that greets, grants everything, and notes what it hears.

    It ends each connection without close_notify, as Cyrus does.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            # The client may not like what it sees, and goes.
            with connection, suppress(OSError):
                _converse(context.wrap_socket(connection, server_side=True), heard)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _converse(secured: ssl.SSLSocket, heard: list[bytes] | None) -> None:
    with secured:
        secured.sendall(b"+OK ready\r\n")
        while line := secured.recv(4096):
            if heard is not None:
                heard.append(line)
            secured.sendall(b"+OK\r\n" + b".\r\n" * line.startswith(b"CAPA"))
            if line.startswith(b"QUIT"):
                return
