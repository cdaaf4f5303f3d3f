"""A stateful fake of Google's workload identity federation on 127.0.0.1, with a checked way to a fake bucket behind it.

with FakeGoogle(bucket_url, repository="acme/ct") as google:
    google.bind("reader@acme", repository="acme/ct")
    google.write_login(path, "reader@acme", google.job(ref="refs/heads/main", job_workflow_ref="..."))
    ...  # path is what GOOGLE_APPLICATION_CREDENTIALS would be, google.url the remote's `endpointurl`

The way of a login is the real one: GitHub's endpoint gives a job an ID token for an audience, Google's token service
(STS) takes it for a federated token if the provider's condition holds, and a service account lends that its own access
token, for the accounts' `roles`. The login file is as google-github-actions/auth writes it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

# With the number of a project in it, google-auth asks Google's own address for the project's name.
AUDIENCE = "//iam.googleapis.com/locations/global/workloadIdentityPools/github/providers/acme"
EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "audience": AUDIENCE,
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
}
STORAGE_SCOPES = {
    "https://www.googleapis.com/auth/devstorage.full_control",
    "https://www.googleapis.com/auth/devstorage.read_write",
    "https://www.googleapis.com/auth/cloud-platform",
}
READER, WRITER = "roles/storage.objectViewer", "roles/storage.objectUser"


@dataclass(frozen=True)
class Token:
    """An access token: whose it is, and until when (seconds since 1970)."""

    account: str
    """Empty for a federated token, which is good for nothing but to be lent another."""
    claims: Mapping[str, str]
    expires: float


@dataclass
class Account:
    """A service account: what it may do with the bucket, and which jobs may be it, by claims of their ID tokens."""

    role: str
    claims: dict[str, str]
    bucket: str | None = None
    """The only one that it may write; None: any."""

    def may(self, method: str, path: str) -> bool:
        """Whether its role, on the bucket that the path names, allows the request."""
        return method == "GET" or (self.role == WRITER and (self.bucket is None or f"/b/{self.bucket}/" in path))


@dataclass
class FakeGoogle:
    """The server as a context manager; `refused` and `written`: what came of requests to the bucket, oldest first."""

    bucket_url: str
    repository: str
    lifetime_seconds: float = 3600
    accounts: dict[str, Account] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    jobs: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Request token -> the claims of the job that has it."""
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    """Status, account (or empty), method and path."""
    written: list[tuple[str, str]] = field(default_factory=list)
    """Account, method and path."""
    lent: list[str] = field(default_factory=list)
    """The account of every access token that was lent."""

    def __post_init__(self) -> None:
        self.key = secrets.token_bytes(16)
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.google = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> FakeGoogle:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def bind(self, account: str, role: str, **claims: str) -> None:
        """Let jobs with these claims be `account`."""
        self.accounts[account] = Account(role, claims)

    def job(self, **claims: str) -> str:
        """A job on GitHub: the token with which it may ask for ID tokens that carry these claims."""
        request_token = secrets.token_hex(16)
        self.jobs[request_token] = {"repository": self.repository, **claims}
        return request_token

    def write_login(self, path: Path, account: str, request_token: str) -> Path:
        """The file that the action leaves; nothing in it is good for longer than the job."""
        content = {
            "type": "external_account",
            "universe_domain": "googleapis.com",
            "audience": AUDIENCE,
            "subject_token_type": EXCHANGE["subject_token_type"],
            "token_url": f"{self.url}/v1/token",
            "service_account_impersonation_url": f"{self.url}/v1/projects/-/serviceAccounts/{account}"
            ":generateAccessToken",
            "credential_source": {
                "url": f"{self.url}/github/idtoken?audience=https:{AUDIENCE}",
                "headers": {"Authorization": f"Bearer {request_token}"},
                "format": {"type": "json", "subject_token_field_name": "value"},
            },
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def signed(self, claims: Mapping[str, str]) -> str:
        """An ID token."""
        body = base64.urlsafe_b64encode(json.dumps(dict(claims)).encode()).decode()
        return f"{body}.{hmac.new(self.key, body.encode(), hashlib.sha256).hexdigest()}"

    def claims_of(self, token: str) -> dict[str, str] | None:
        """What an ID token says, None where GitHub did not sign it."""
        body, _, signature = token.partition(".")
        if not hmac.compare_digest(hmac.new(self.key, body.encode(), hashlib.sha256).hexdigest(), signature):
            return None
        found: dict[str, str] = json.loads(base64.urlsafe_b64decode(body))
        return found

    def issue(self, account: str, claims: Mapping[str, str]) -> tuple[str, float]:
        """A new access token and when it expires."""
        token, expires = secrets.token_hex(16), time.time() + self.lifetime_seconds
        with self.lock:
            self.tokens[token] = Token(account, claims, expires)
        return token, expires

    def valid(self, authorization: str) -> Token | None:
        """The token of a request, if it is one and has not expired."""
        token = self.tokens.get(authorization.removeprefix("Bearer "))
        return token if token is not None and token.expires > time.time() else None


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_any(self) -> None:
        """Answer whatever was asked."""
        google: FakeGoogle = self.server.google  # type: ignore[attr-defined]
        body = self._body()
        path = urlsplit(self.path).path
        if path == "/github/idtoken":
            self._answer(*_id_token(google, self.path, self._bearer()))
        elif path == "/v1/token":
            self._answer(*_exchange(google, body))
        elif path.startswith("/v1/projects/-/serviceAccounts/"):
            account = path.rpartition("/")[2].removesuffix(":generateAccessToken")
            self._answer(*_lend(google, account, self._bearer(), body))
        else:
            self._bucket(google, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any  # noqa: N815 - the server's own names

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _bearer(self) -> str:
        return self.headers.get("Authorization", "")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, content: Any) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _bucket(self, google: FakeGoogle, body: bytes) -> None:
        """Hand a request on to the bucket, if the token is good for it."""
        token = google.valid(self._bearer())
        named = f"{self.command} {urlsplit(self.path).path}"
        account = token.account if token else ""
        whose = google.accounts.get(account)
        status = 401 if whose is None else 403 if not whose.may(self.command, self.path) else None
        if status is not None:
            google.refused.append((status, account, named))
            reason = f"{account} does not have storage.objects.create access to the Google Cloud Storage object."
            if status == 401:
                anonymous = "Anonymous caller does not have storage.objects.list access to the bucket."
                reason = "Invalid Credentials" if self._bearer() else anonymous
            self._answer(status, {"error": {"code": status, "message": reason}})
            return
        if self.command != "GET":
            google.written.append((account, named))
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "authorization", "transfer-encoding", "content-length", "accept-encoding")
        }
        request = urllib.request.Request(
            google.bucket_url + self.path, body or None, {"Host": urlsplit(google.url).netloc, **headers},
            method=self.command,
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                self._hand_back(google, response.status, response.read(), response.headers)
        except urllib.error.HTTPError as error:
            self._hand_back(google, error.code, error.read(), error.headers)

    def _hand_back(self, google: FakeGoogle, status: int, content: bytes, headers: Any) -> None:
        """The bucket's answer, in which addresses are ours: what is asked there has to come by here."""
        ours = google.url.encode()
        kept = {
            name: value.replace(google.bucket_url, google.url)
            for name, value in headers.items()
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server")
        }
        is_json = headers.get("Content-Type", "").startswith("application/json")
        self._send(status, content.replace(google.bucket_url.encode(), ours) if is_json else content, kept)


def _id_token(google: FakeGoogle, target: str, bearer: str) -> tuple[int, Any]:
    """GitHub's: an ID token for whoever shows a job's request token."""
    claims = google.jobs.get(bearer.removeprefix("Bearer "))
    if claims is None:
        return 401, {"message": "no such job"}
    audience = parse_qs(urlsplit(target).query)["audience"][0]
    return 200, {"value": google.signed({**claims, "aud": audience})}


def _exchange(google: FakeGoogle, body: bytes) -> tuple[int, Any]:
    """Google's: a federated token for an ID token, where the provider's condition holds."""
    asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    claims = google.claims_of(asked.get("subject_token", ""))
    if any(asked.get(name) != value for name, value in EXCHANGE.items()):
        return 400, {"error": "invalid_request", "error_description": f"not an exchange: {sorted(asked)}"}
    if claims is None or claims["aud"] != f"https:{AUDIENCE}":
        return 400, {"error": "invalid_grant", "error_description": "the ID token is not GitHub's, or not for us"}
    if claims["repository"] != google.repository:
        return 400, {"error": "unauthorized_client", "error_description": "rejected by the attribute condition"}
    token, _ = google.issue("", claims)
    answer = {"access_token": token, "issued_token_type": EXCHANGE["requested_token_type"], "token_type": "Bearer"}
    return 200, answer | {"expires_in": google.lifetime_seconds}


def _lend(google: FakeGoogle, account: str, bearer: str, body: bytes) -> tuple[int, Any]:
    """Google's: a service account's token for a federated one, where that may be the account."""
    federated = google.valid(bearer)
    if federated is None or federated.account:
        return 401, {"error": {"code": 401, "message": "not a federated token"}}
    if not STORAGE_SCOPES & set(json.loads(body).get("scope", [])):
        return 400, {"error": {"code": 400, "message": "no scope for storage was asked for"}}
    known = google.accounts.get(account)
    if known is None or any(federated.claims.get(name) != value for name, value in known.claims.items()):
        return 403, {"error": {"code": 403, "message": "Permission 'iam.serviceAccounts.getAccessToken' denied"}}
    token, expires = google.issue(account, federated.claims)
    google.lent.append(account)
    expire_time = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return 200, {"accessToken": token, "expireTime": expire_time}
