"""The forms in which a secret may lie somewhere, so that a test can look for each of them."""

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

_WHOLE = 3


def traces(secret: str) -> frozenset[bytes]:
    """A secret as it is, in hex, in a URL, in JSON and in base64, whatever stands around it."""
    octets = secret.encode()
    found = {octets, octets.hex().encode(), octets.hex().upper().encode()}
    found |= {octets.hex(" ").encode(), octets.hex(":").encode()}
    found |= {encode(secret, safe=safe).encode() for encode in _URL for safe in ("", "/")}
    found |= {json.dumps(secret)[1:-1].encode(), secret.encode("utf-16-le")}
    for ahead in range(_WHOLE):
        found |= {_inner(encode(bytes(ahead) + octets), ahead) for encode in _BASE64}
    return frozenset(found)


def _inner(encoded: bytes, ahead: int) -> bytes:
    """What base64 has of a secret alone: not the characters that it shares with its neighbours."""
    shared = 0 if not ahead else ahead + 1
    padding = encoded.count(b"=")
    return encoded[shared : len(encoded) - (padding + 1 if padding else 0)]


_BASE64 = (b64encode, urlsafe_b64encode)
_URL = (quote, quote_plus)
