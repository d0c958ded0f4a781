"""A certificate for 127.0.0.1 and localhost, from an authority that only this directory knows."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM: the authority to trust, the server's certificate, and its private key."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


def issue(directory: Path) -> Certificate:
    """Makes an authority and a server's certificate, valid for a year, in ``directory``."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost", "::1")
    files = Certificate(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    authority.cert_pem.write_to_path(files.ca_file)
    files.certificate_file.write_bytes(b"".join(p.bytes() for p in server.cert_chain_pems))
    server.private_key_pem.write_to_path(files.key_file)
    return files
