"""Signatures of manifests: Ed25519 (RFC 8032), made with a key that whoever has the bucket lacks.

A chain of digests shows that nothing was changed behind its last link; a signature shows who wrote
that link. The keys are files in the form that OpenSSL uses (RFC 8410), or for a public key one line
of text, ``ed25519:`` and 64 hex digits. The door to ``cryptography`` is here, and it is opened only
for signing and checking: it costs a tenth of a second.
"""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archiver.errors import UsageError
from archiver.format import Sign

ALGORITHM = "ed25519"

# What stands before the 32 octets of a key (RFC 8410 sections 4 and 7, in DER).
_PRIVATE = bytes.fromhex("302e020100300506032b657004220420")
_PUBLIC = bytes.fromhex("302a300506032b6570032100")
_KEY_OCTETS = 32
_PEM = re.compile(
    r"-----BEGIN (?P<what>[A-Z ]+)-----\s+(?P<octets>[A-Za-z0-9+/=\s]+)-----END (?P=what)-----"
)
_TEXT = re.compile(rf"{ALGORITHM}:([0-9a-f]{{64}})")
_MAKE_ONE = "archiver init --signing-key FILE makes one"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, which is neither shown nor logged."""

    _seed: bytes = field(repr=False)

    @classmethod
    def make(cls) -> "SigningKey":
        """A new key."""
        return cls(os.urandom(_KEY_OCTETS))

    @classmethod
    def read(cls, path: Path) -> "SigningKey":
        """The key in a file.

        Raises:
            UsageError: the file cannot be read, or holds no such key.
        """
        try:
            text = path.read_text(encoding="ascii")
        except OSError as error:
            raise UsageError(
                f"the signing key {path} cannot be read: {error.strerror}", hint=_MAKE_ONE
            ) from None
        except UnicodeDecodeError:
            text = ""
        seed = _unarmoured(text, "PRIVATE KEY", _PRIVATE)
        if seed is None:
            raise UsageError(f"{path} holds no private key for Ed25519", hint=_MAKE_ONE)
        return cls(seed)

    def write(self, path: Path) -> None:
        """Keeps the key in a new file, for its owner's eyes alone.

        Raises:
            UsageError: something is there already, or it cannot be written.
        """
        body = base64.b64encode(_PRIVATE + self._seed).decode("ascii")
        text = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            raise UsageError(
                f"{path} exists already, and is left as it is", hint="name another file"
            ) from None
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None
        try:
            path.write_text(text, encoding="ascii")
        except OSError as error:
            path.unlink(missing_ok=True)
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None

    @property
    def public(self) -> str:
        """The public key as a line of text."""
        return f"{ALGORITHM}:{self._private().public_key().public_bytes_raw().hex()}"

    def sign(self, octets: bytes) -> dict[str, Any]:
        """The record that follows these octets in a manifest."""
        return {
            "kind": "signature",
            "algorithm": ALGORITHM,
            "key": self.public,
            "signature": self._private().sign(octets).hex(),
        }

    def _private(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self._seed)


def signing_with(path: str | None) -> Sign | None:
    """How manifests are signed with the key in a file; None without one.

    Raises:
        UsageError: the file cannot be read, or holds no such key.
    """
    return None if path is None else SigningKey.read(Path(path)).sign


def public_key(given: str) -> str:
    """A public key as a line of text, from such a line or from the name of a file.

    Args:
        given: ``ed25519:`` and 64 hex digits, or a file that holds such a line, or a key in PEM.

    Raises:
        UsageError: it is neither.
    """
    if found := _TEXT.fullmatch(given.strip().lower()):
        return found[0]
    try:
        text = Path(given).expanduser().read_text(encoding="ascii")
    except (OSError, ValueError):
        raise UsageError(
            f"{given!r} is neither a public key nor a file that can be read",
            hint=f"a key is {ALGORITHM}: and 64 hex digits, as archiver init --signing-key prints",
        ) from None
    octets = _unarmoured(text, "PUBLIC KEY", _PUBLIC)
    if octets is not None:
        return f"{ALGORITHM}:{octets.hex()}"
    if found := _TEXT.search(text.lower()):
        return found[0]
    raise UsageError(f"{given} holds no public key for Ed25519")


def is_key(given: str) -> bool:
    """Whether this is a public key itself, and not the name of a file with one."""
    return _TEXT.fullmatch(given.strip().lower()) is not None


def signer_of(record: Mapping[str, Any], octets: bytes | memoryview) -> str | None:
    """Whose signature a record is of the octets before it.

    Returns:
        The public key as a line of text; None where the record is no signature of these octets.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, signature = record.get("key"), record.get("signature")
    if record.get("algorithm") != ALGORITHM or not isinstance(signature, str):
        return None
    found = _TEXT.fullmatch(key) if isinstance(key, str) else None
    if found is None:
        return None
    try:
        named = Ed25519PublicKey.from_public_bytes(bytes.fromhex(found[1]))
        named.verify(bytes.fromhex(signature), octets)
    except (InvalidSignature, ValueError):
        return None
    return found[0]


def _unarmoured(text: str, what: str, prefix: bytes) -> bytes | None:
    """The octets of a key in PEM (RFC 7468), None where the text is none of this kind."""
    found = _PEM.search(text)
    if found is None or found["what"] != what:
        return None
    try:
        octets = base64.b64decode("".join(found["octets"].split()), validate=True)
    except ValueError:
        return None
    whole = len(octets) == len(prefix) + _KEY_OCTETS and octets.startswith(prefix)
    return octets[len(prefix) :] if whole else None
