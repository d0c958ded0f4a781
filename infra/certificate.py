"""Certificates from an authority that only one directory knows: a server's, and a client's."""

from dataclasses import dataclass
from pathlib import Path

import trustme

_HERE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM: the authority to trust, and certificate and private key of both sides."""

    ca_file: Path
    certificate_file: Path
    key_file: Path
    client_file: Path
    client_key_file: Path


def issue(directory: Path, *names: str, client: str = "user") -> Certificate:
    """Makes an authority and what it vouches for, valid for a year, in ``directory``.

    Args:
        directory: an existing one, where the files go.
        names: the server's names and addresses, this machine's own if there are none.
        client: the common name of the client.
    """
    authority = trustme.CA()
    files = Certificate(
        *(directory / name for name in ("ca.pem", "server.pem", "server.key")),
        *(directory / name for name in ("client.pem", "client.key")),
    )
    authority.cert_pem.write_to_path(files.ca_file)
    server = authority.issue_cert(*(names or _HERE))
    user = authority.issue_cert(f"{client}@localhost", common_name=client)
    for made, certificate_file, key_file in (
        (server, files.certificate_file, files.key_file),
        (user, files.client_file, files.client_key_file),
    ):
        certificate_file.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
        made.private_key_pem.write_to_path(key_file)
    return files
