"""Access tokens for as long as a run takes: the kept one while it lasts, then refreshed ones."""

import time
from collections.abc import Callable
from pathlib import Path

from archiver.config import AccountSettings, PasswordSource
from archiver.errors import LoginRefused
from archiver.oauth.endpoint import post
from archiver.oauth.grants import Grants, Refusal
from archiver.oauth.keeping import Keeper, Ring, Token
from archiver.oauth.providers import provider_of

_SHORTEST_SECONDS = 60.0
# The grant is over, and only a person can give a new one (RFC 6749 section 5.2, OpenID Connect
# Core section 3.1.2.6, which Microsoft's token endpoint uses as well).
_ENDED = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})


class TokenSource:
    """Gives the access tokens of one account.

    Args:
        account: its settings, with ``oauth``.
        state: the state directory.
        secret: reads a secret from where the settings say; None where they say nothing.
        ring: the system's keyring.
        now: seconds since the epoch.

    Raises:
        UsageError: the settings cannot be used.
    """

    def __init__(
        self,
        account: AccountSettings,
        state: Path,
        *,
        secret: Callable[[PasswordSource], str | None],
        ring: Ring,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._account = account
        self._provider = provider_of(account)
        self._keeper = Keeper(account.name, self._provider, state, ring)
        self._secret = secret
        self._now = now
        self._given = ""

    def access_token(self, *, refused: bool = False) -> str:
        """An access token that is good for a minute at least, as far as the provider said.

        Args:
            refused: the mail server did not take the last one, however fresh it looks.

        Raises:
            LoginRefused: nobody has signed in, or a person has to sign in again.
            ServerUnavailable: the provider cannot be reached.
            UsageError: the client's secret cannot be read.
            LocalDiskError: a new token could not be kept.
        """
        with self._keeper.locked():
            kept = self._keeper.read()
            # Another process may have refreshed what we were refused.
            spent = refused and kept.access_token == self._given
            if spent or not self._is_fresh(kept):
                kept = self._refresh(kept)
            self._given = kept.access_token
            return kept.access_token

    def _is_fresh(self, token: Token) -> bool:
        return token.expires_at is None or token.expires_at - self._now() >= _SHORTEST_SECONDS

    def _refresh(self, old: Token) -> Token:
        again = f"run: archiver login {self._account.name}"
        if old.refresh_token is None:
            raise LoginRefused(
                "the token has ended, and its provider gives none to refresh it with",
                hint=again,
            )
        assert self._account.oauth is not None
        grants = Grants(self._provider, self._secret(self._account.oauth.client_secret))
        # What cannot be kept now could not be kept afterwards, when the old token is spent.
        self._keeper.replace(old)
        asked_at = self._now()
        try:
            new = grants.token(
                post(self._provider.token_url, grants.refresh_form(old.refresh_token)), asked_at
            )
        except Refusal as refusal:
            hint = again if refusal.error in _ENDED else "check the account's OAuth settings"
            raise LoginRefused(f"the sign-in is no longer good: {refusal}", hint=hint) from None
        # A server that does not rotate says nothing of the refresh token (RFC 6749 section 6).
        kept = Token(new.access_token, new.refresh_token or old.refresh_token, new.expires_at)
        self._keeper.replace(kept)
        return kept
