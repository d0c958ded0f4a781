"""The system's clocks, for a run that may be asked to end."""

import time

from archiver.stopping import Stop


class StoppableClock:
    """The system's clocks; sleeping ends early when the run is asked to stop."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits that long, or until the run is asked to stop."""
        self._stop.sleep(seconds)
