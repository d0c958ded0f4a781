"""How messages are looked up by digest: by an index over the first 8 octets, then by all of them.

A whole digest in an index takes as much room again as the one in the table.
"""

from typing import Final

BY_DIGEST: Final = "substr(digest, 1, 8) = substr(?1, 1, 8) AND digest = ?1"
"""The condition on a row of ``messages``; its first parameter is the digest."""
