"""Settings: what ``archiver.toml`` and the command line may say, as frozen values.

Nothing here opens a file or asks for a password.
"""

from archiver.config.reader import (
    parse_fingerprint,
    parse_settings,
    parse_size,
    read_account,
    read_deletion,
)
from archiver.config.urls import account_name, parse_folder, parse_proxy, parse_server
from archiver.config.values import (
    AUTH,
    GIB,
    MIB,
    NO_SERVER,
    AccountSettings,
    Deletion,
    FolderUrl,
    OAuthSettings,
    PasswordSource,
    ProxyUrl,
    ServerUrl,
    Settings,
    StoreSettings,
)

__all__ = [
    "AUTH",
    "GIB",
    "MIB",
    "NO_SERVER",
    "AccountSettings",
    "Deletion",
    "FolderUrl",
    "OAuthSettings",
    "PasswordSource",
    "ProxyUrl",
    "ServerUrl",
    "Settings",
    "StoreSettings",
    "account_name",
    "parse_fingerprint",
    "parse_folder",
    "parse_proxy",
    "parse_server",
    "parse_settings",
    "parse_size",
    "read_account",
    "read_deletion",
]
