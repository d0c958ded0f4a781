"""How much work a buffer makes: the octets that are looked at, whatever the time that takes."""

from typing import TYPE_CHECKING, Self, SupportsIndex, overload

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Counted(bytearray):
    """A buffer that is added to at its end.

    ``looked`` is how many octets were searched, copied or added, ``held`` the most that were in it
    when more came.
    """

    looked = 0
    held = 0

    def find(
        self,
        sub: "ReadableBuffer | SupportsIndex",
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        """Counts what lies before the place found."""
        first, last, _ = slice(start, end).indices(len(self))
        found = super().find(sub, first, last)
        self.looked += max((last if found < 0 else found) - first, 0)
        return found

    def rfind(
        self,
        sub: "ReadableBuffer | SupportsIndex",
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        """Counts what lies behind the place found."""
        first, last, _ = slice(start, end).indices(len(self))
        found = super().rfind(sub, first, last)
        self.looked += max(last - max(first, found), 0)
        return found

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytearray: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> int | bytearray:
        if not isinstance(key, slice):
            return super().__getitem__(key)
        taken = super().__getitem__(key)
        self.looked += len(taken)
        return taken

    # As typeshed has it for bytearray itself, which takes no other sequence of numbers.
    def __iadd__(self, values: "ReadableBuffer", /) -> Self:  # type: ignore[override]
        before = len(self)
        self.held = max(self.held, before)
        super().__iadd__(values)
        self.looked += len(self) - before
        return self
