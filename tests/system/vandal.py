"""Damage to a store, done from the side: by what fails, or by somebody with the credentials."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from by_hand import Place, bucket_place, client_of, directory_place

from infra.fixtures import Bucket

_PREFIX = "mail/one"


@dataclass(frozen=True)
class Vandal:
    """A store, and the means to damage it."""

    place: Place
    write: Callable[[str, bytes], None]
    remove: Callable[[str], None]

    @property
    def url(self) -> str:
        """The store."""
        return self.place.url

    @property
    def environment(self) -> Mapping[str, str]:
        """What a command needs to use it."""
        return self.place.environment

    def keys(self, ending: str = "", beginning: str = "") -> list[str]:
        """The keys that begin and end so, in order."""
        return [
            key
            for key in sorted(self.place.objects())
            if key.endswith(ending) and key.startswith(beginning)
        ]

    def read(self, key: str) -> bytes:
        """What lies under a key."""
        return self.place.objects()[key]

    def flip(self, key: str) -> None:
        """One bit of an object becomes another."""
        octets = bytearray(self.read(key))
        octets[len(octets) // 2] ^= 1
        self.write(key, bytes(octets))

    def truncate(self, key: str) -> None:
        """The second half of an object is lost."""
        octets = self.read(key)
        self.write(key, octets[: len(octets) // 2])

    def swap(self, one: str, other: str) -> None:
        """Two objects change places."""
        first, second = self.read(one), self.read(other)
        self.write(one, second)
        self.write(other, first)


def directory_vandal(root: Path) -> Vandal:
    """One for a directory."""

    def write(key: str, octets: bytes) -> None:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(octets)

    return Vandal(directory_place(root), write, lambda key: (root / key).unlink())


def bucket_vandal(bucket: Bucket) -> Vandal:
    """One for a prefix of a bucket."""

    def write(key: str, octets: bytes) -> None:
        client = client_of(bucket)
        client.put_object(Bucket=bucket.name, Key=f"{_PREFIX}/{key}", Body=octets)
        client.close()

    def remove(key: str) -> None:
        client = client_of(bucket)
        client.delete_object(Bucket=bucket.name, Key=f"{_PREFIX}/{key}")
        client.close()

    return Vandal(bucket_place(bucket, _PREFIX), write, remove)
