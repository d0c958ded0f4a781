"""What the authorization server of ``infra.authorization`` answers: Authlib's grants over Flask."""

import time
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    ClientMixin,
    InvalidRequestError,
    grants,
)
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8628 import (
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    DeviceCredentialDict,
)
from flask import Flask, Response, request

if TYPE_CHECKING:
    from infra.authorization import Authorization, Issued

SCOPE = "mail"
CLIENT = "archiver-test"
RESOURCE = "mail-server"
RESOURCE_SECRET = token_urlsafe(16)


@dataclass(frozen=True, slots=True)
class Code(AuthorizationCodeMixin):
    """An authorization code that waits to be traded for tokens."""

    user: str
    redirect_uri: str
    scope: str
    code: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        """Where it was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """The rights it stands for."""
        return self.scope


@dataclass(frozen=True, slots=True)
class _Client(ClientMixin):
    name: str
    secret: str | None

    def get_client_id(self) -> str:
        return self.name

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: Any) -> str:
        return " ".join(part for part in str(scope or "").split() if part == SCOPE)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        # RFC 8252 section 7.3: any port of the loopback interface.
        parts = urlsplit(redirect_uri)
        return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") == (self.secret is None)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return self.name == CLIENT


class _Server(AuthorizationServer):
    authority: "Authorization"


class _Strict(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - as Authlib declares it

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required")
        super().validate_code_challenge(grant, redirect_uri)


class _CodeGrant(grants.AuthorizationCodeGrant):
    server: _Server
    TOKEN_ENDPOINT_AUTH_METHODS = ("none", "client_secret_post")

    def save_authorization_code(self, code: str, request: Any) -> None:
        data = request.payload.data
        self.server.authority.codes[code] = Code(
            user=request.user,
            redirect_uri=request.payload.redirect_uri or "",
            scope=request.scope,
            code=code,
            code_challenge=data["code_challenge"],
            code_challenge_method=data["code_challenge_method"],
        )

    def query_authorization_code(self, code: str, client: ClientMixin) -> Code | None:
        return self.server.authority.codes.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.server.authority.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.user


class _RefreshGrant(grants.RefreshTokenGrant):
    server: _Server
    TOKEN_ENDPOINT_AUTH_METHODS = ("none", "client_secret_post")

    def issue_token(self, user: Any, refresh_token: Any) -> dict[str, str | int]:
        self.INCLUDE_NEW_REFRESH_TOKEN = self.server.authority.rotate
        return super().issue_token(user, refresh_token)

    def authenticate_refresh_token(self, refresh_token: str) -> Any:
        return self.server.authority.refresh_with(refresh_token)

    def authenticate_user(self, refresh_token: "Issued") -> str:
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Any) -> None:
        refresh_token.spent = self.server.authority.rotate


class _DeviceEndpoint(DeviceAuthorizationEndpoint):
    def get_verification_uri(self) -> str:
        return f"{self.server.authority.url}/activate"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        authority = self.server.authority
        data["interval"] = authority.device_interval
        data["expires_in"] = authority.device_lifetime
        authority.devices[data["device_code"]] = DeviceCredentialDict(
            client_id=client_id,
            scope=scope,
            user_code=data["user_code"],
            expires_at=time.time() + authority.device_lifetime,
        )


class _DeviceGrant(DeviceCodeGrant):
    server: _Server

    def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
        return self.server.authority.devices.get(device_code)

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        return self.server.authority.granted.get(user_code)

    def should_slow_down(self, credential: object) -> bool:
        authority = self.server.authority
        authority.slow_down -= 1
        return authority.slow_down >= 0


class _Introspection(IntrospectionEndpoint):
    def check_permission(self, token: object, client: _Client, request: object) -> bool:
        return client.name == RESOURCE

    def query_token(self, token_string: str, token_type_hint: object) -> "Issued | None":
        issued = self.server.authority.issued
        return next((one for one in issued if one.access_token == token_string), None)

    def introspect_token(self, token: "Issued") -> dict[str, object]:
        return {"active": True, "username": token.user, "scope": token.scope}


def application(authority: "Authorization") -> Flask:
    """The server's pages, which do what ``authority`` says at the time."""
    app = Flask("authorization")
    # As Any: the published types know less of Authlib's endpoints than Flask's side of it does.
    server: Any = _Server(app, _clients(authority), authority.save)
    server.authority = authority
    server.register_grant(_CodeGrant, [_Strict(required=True)])
    server.register_grant(_RefreshGrant)
    server.register_grant(_DeviceGrant)
    server.register_endpoint(_DeviceEndpoint)
    server.register_endpoint(_Introspection)
    server.register_token_generator("default", _generator(authority))

    @app.get("/authorize")
    def authorize() -> Any:
        authority.queries.append(request.args.to_dict())
        grant = server.get_authorization_grant(server.create_oauth2_request(None))
        user = request.args.get("login_hint", authority.user) if authority.consent else None
        return server.create_authorization_response(grant_user=user, grant=grant)

    @app.post("/token")
    def token() -> Any:
        authority.forms.append(request.form.to_dict())
        if (canned := authority.canned) is not None:
            time.sleep(canned.seconds)
            return Response(canned.body, canned.status, canned.headers)
        # One at a time: a refresh token is looked up and spent in two steps.
        with authority.guard:
            return server.create_token_response()

    @app.post("/device")
    def device() -> Any:
        return server.create_endpoint_response("device_authorization")

    @app.post("/introspect")
    def introspect() -> Any:
        return server.create_endpoint_response("introspection")

    return app


def _clients(authority: "Authorization") -> Any:
    def find(client_id: str) -> _Client | None:
        secrets = {CLIENT: authority.client_secret, RESOURCE: RESOURCE_SECRET}
        return _Client(client_id, secrets[client_id]) if client_id in secrets else None

    return find


def _generator(authority: "Authorization") -> BearerTokenGenerator:
    def make(**_: object) -> str:
        return token_urlsafe(32)

    return BearerTokenGenerator(make, make, lambda *_: authority.lifetime)
