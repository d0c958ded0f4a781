"""What the tests of OAuth share: an account of a real authorization server, and who plays along."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from archiver.config import AccountSettings, OAuthSettings, PasswordSource, ServerUrl
from archiver.oauth import TokenSource, login
from infra.authorization import Authorization

SERVER = ServerUrl("pop.example.com", 995, "me@example.com", "tls")


class Memory:
    """A keyring; ``works`` says whether it can be reached."""

    def __init__(self, *, works: bool = True) -> None:
        self.works = works
        self.kept: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.kept.get(name) if self.works else None

    def put(self, name: str, value: str) -> bool:
        if self.works:
            self.kept[name] = value
        return self.works

    def remove(self, name: str) -> None:
        if self.works:
            self.kept.pop(name, None)


class Still:
    """A clock that moves only when somebody waits; ``on_sleep`` is what happens meanwhile."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def now(self) -> float:
        return 1_000_000.0 + self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        self.on_sleep()


class Person:
    """Somebody with an account, a browser and a second device, who signs in when asked to.

    Args:
        authority: the authorization server.
        state: the state directory.

    Attributes:
        ring: the keyring of their machine, which cannot be reached.
        browser: what opens an address; None where there is no browser.
        shown: what they were told.
        browsed: what their browser showed in the end.
    """

    def __init__(self, authority: Authorization, state: Path) -> None:
        self.authority = authority
        self.state = state
        self.ring = Memory(works=False)
        self.clock = Still()
        self.shown: list[str] = []
        self.browsed: list[str] = []
        self._windows: list[threading.Thread] = []
        self.on_show: Callable[[str], object] = lambda _: None
        self.browser: Callable[[str], bool] | None = self.browse
        self.oauth = OAuthSettings(
            client_id=authority.client_id,
            authorization_url=authority.authorization_url,
            token_url=authority.token_url,
            device_url=authority.device_url,
            scope="mail",
        )

    @property
    def account(self) -> AccountSettings:
        """Their settings."""
        return AccountSettings("work", SERVER, oauth=self.oauth)

    @property
    def file(self) -> Path:
        """Where their tokens lie without a keyring."""
        return self.state / "tokens" / "work.json"

    def change(self, **values: Any) -> None:
        """Changes their OAuth settings."""
        self.oauth = replace(self.oauth, **values)

    def secret(self, source: PasswordSource) -> str | None:
        """What the client's secret is, wherever the settings say it is."""
        return self.authority.client_secret

    def show(self, line: str) -> None:
        """Reads a line."""
        self.shown.append(line)
        self.on_show(line)

    def browse(self, url: str) -> bool:
        """Opens an address in a browser."""
        window = threading.Thread(target=self.visit, args=(url,))
        window.start()
        self._windows.append(window)
        return True

    def visit(self, url: str) -> None:
        """Goes where the address leads."""
        try:
            with urllib.request.urlopen(url, timeout=10) as page:
                self.browsed.append(page.read().decode())
        except urllib.error.HTTPError as refused:
            with refused:
                self.browsed.append(refused.read().decode())

    def login(self, *, device: bool | None = None) -> str:
        """Signs in, and reads what the browser shows in the end."""
        try:
            return login(
                self.account,
                self.state,
                device=device,
                show=self.show,
                open_browser=self.browser,
                secret=self.secret,
                ring=self.ring,
                clock=self.clock,
            )
        finally:
            for window in self._windows:
                window.join()

    def source(self) -> TokenSource:
        """Where a run has its tokens from."""
        return TokenSource(
            self.account, self.state, secret=self.secret, ring=self.ring, now=self.clock.now
        )

    def enters(self, *, allow: bool = True) -> None:
        """Will enter the code of a device as soon as it is shown."""

        def read(line: str) -> None:
            if "enter the code" in line:
                self.authority.decide(line.rpartition(" ")[2], allow=allow)

        self.on_show = read

    def address(self) -> str:
        """The address that they were shown for the browser."""
        (found,) = [line for line in self.shown if line.startswith(self.authority.url)]
        return found
