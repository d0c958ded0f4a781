import threading
from pathlib import Path

import pytest

from archiver.config import AccountSettings, OAuthSettings
from archiver.errors import Interrupted
from archiver.mailbox import mailbox
from archiver.oauth.keeping import Keeper, Token
from archiver.oauth.providers import provider_of
from archiver.stopping import Stop
from infra.silence import Mute
from tests.unit.oauth.oauth_helpers import SERVER, Memory


def test_silent_provider(tmp_path: Path) -> None:
    """A run that is asked to end does not wait for a provider that gives no token."""
    stop = Stop(grace=0)
    with Mute() as provider:
        url = f"http://127.0.0.1:{provider.port}/token"
        oauth = OAuthSettings("client", authorization_url=url, token_url=url, scope="mail")
        account = AccountSettings("work", SERVER, oauth=oauth)
        keeper = Keeper("work", provider_of(account), tmp_path, Memory(works=False))
        with keeper.locked():
            keeper.keep(Token("old", "refresh", expires_at=0.0))
        token = mailbox(account, tmp_path, stop).credentials.token
        assert token is not None

        def watch() -> None:
            provider.asked.wait()
            stop.ask()

        watcher = threading.Thread(target=watch)
        watcher.start()
        with pytest.raises(Interrupted):
            token()
        watcher.join()
    assert keeper.read().refresh_token == "refresh"
