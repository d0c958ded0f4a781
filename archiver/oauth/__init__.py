"""OAuth 2: signing in once with a browser, and access tokens for every session after that."""

from archiver.oauth.flows import forget, login
from archiver.oauth.keeping import Ring
from archiver.oauth.source import TokenSource

__all__ = ["Ring", "TokenSource", "forget", "login"]
