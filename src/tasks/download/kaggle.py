"""The files of a Kaggle competition as one archive: what is there already is not fetched again.

Kaggle's own package is not used: to resume, it sends the token on to the host that it is redirected to.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import read_json, write_json
from tasks.common.stage.progress import progress, say

if TYPE_CHECKING:
    from requests import Response, Session

ADDRESS = "https://www.kaggle.com"
CHUNK_BYTES = 1 << 16
"""Read at once, and lost where the connection breaks off."""
MIB = 1 << 20
MAX_FAILURES = 6
"""Failed attempts in a row without a byte gained, after which to give up."""
MAX_WAIT_SECONDS = 120.0
TIMEOUT_SECONDS = (15.0, 60.0)
"""To connect, and between two parts of the answer."""
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_PARTIAL, _RANGE_IS_BEYOND = 206, 416


@dataclass(frozen=True)
class Credentials:
    """What Kaggle knows its user by; never shown."""

    token: str = field(repr=False, default="")
    username: str = field(repr=False, default="")
    key: str = field(repr=False, default="")

    @property
    def variables(self) -> str:
        """Where they came from."""
        return "KAGGLE_API_TOKEN" if self.token else "KAGGLE_USERNAME and KAGGLE_KEY"


def read_credentials(environment: Mapping[str, str] = os.environ) -> Credentials:
    """KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY. Raises TaskError where there are neither."""
    token = environment.get("KAGGLE_API_TOKEN", "").strip()
    username, key = (environment.get(name, "").strip() for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"))
    if not token and not (username and key):
        raise TaskError(
            "Kaggle wants a token: create one at https://www.kaggle.com/settings and put it into the environment "
            "variable KAGGLE_API_TOKEN, or an older one into KAGGLE_USERNAME and KAGGLE_KEY."
        )
    if not (token + username + key).isascii() or any(c.isspace() for c in token + username + key):
        raise TaskError("the Kaggle token in the environment has spaces or other odd characters; copy it again.")
    return Credentials(token) if token else Credentials("", username, key)


def download_competition(
    competition: str,
    archive: Path,
    credentials: Credentials,
    *,
    address: str = ADDRESS,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch all files of `competition` into the zip file `archive`, going on where an earlier attempt stopped.

    The unfinished file is `<archive>.part`, and beside it `<archive>.json` says which version of the data it is of.
    Raises TaskError where Kaggle refuses, or after several failures in a row without a byte gained.
    """
    import requests

    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise TaskError(f"{address} is not an https address; a token is not sent in the open.")
    url = f"{address.rstrip('/')}/api/v1/competitions/data/download-all/{quote(competition, safe='')}"
    archive.parent.mkdir(parents=True, exist_ok=True)
    transfer = _Transfer(archive.with_name(archive.name + ".part"), archive.with_name(archive.name + ".json"))
    with requests.Session() as session:
        # requests sends this to `address` alone, and not on to another host that it is redirected to.
        if credentials.token:
            session.headers["Authorization"] = f"Bearer {credentials.token}"
        else:
            session.auth = (credentials.username, credentials.key)
        failures = 0
        while not transfer.done():
            before = transfer.size()
            reason, wait_seconds = _attempt(session, url, competition, credentials, transfer)
            if reason is None:
                continue
            failures = 1 if transfer.size() > before else failures + 1
            if failures >= MAX_FAILURES:
                raise TaskError(
                    f"Kaggle did not send {competition} in {failures} attempts ({reason}); run the same command again "
                    "later, and it goes on where it stopped."
                )
            wait_seconds = min(wait_seconds or 2.0**failures, MAX_WAIT_SECONDS)
            say(f"download {competition}: {reason}; again in {wait_seconds:.0f} s")
            sleep(wait_seconds)
    transfer.part.replace(archive)
    transfer.facts.unlink()


@dataclass(frozen=True)
class _Transfer:
    """What is on disk of an unfinished download."""

    part: Path
    facts: Path

    def size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def version(self) -> str | None:
        """The name that the server has for the version that the part is of."""
        version = self._known().get("version") if self.size() else None
        return version if isinstance(version, str) else None

    def done(self) -> bool:
        return self.part.exists() and self.size() == self._known().get("bytes")

    def _known(self) -> dict[str, object]:
        try:
            known = read_json(self.facts, "download")
        except TaskError:
            return {}
        return known if isinstance(known, dict) else {}


def _attempt(
    session: Session, url: str, competition: str, credentials: Credentials, transfer: _Transfer
) -> tuple[str | None, float]:
    """One request: why it has to be tried again, or None, and the seconds that the server asks to wait, or 0."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    version = transfer.version()
    if version:
        headers |= {"Range": f"bytes={transfer.size()}-", "If-Range": version}
    try:
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
            if _is_another_range(response, transfer.size()):
                transfer.part.unlink(missing_ok=True)
                return "the part that was there does not fit", 0.0
            if response.status_code in RETRIED:
                return f"it answered {response.status_code}", _retry_after(response)
            _check(response, competition, credentials)
            _receive(response, competition, transfer)
    except requests.ConnectionError:
        return "the connection failed", 0.0
    except requests.Timeout:
        return "it did not answer in time", 0.0
    except requests.RequestException:
        return "the answer broke off", 0.0
    return (None if transfer.done() else "the answer was too short"), 0.0


def _is_another_range(response: Response, start: int) -> bool:
    """Whether the answer does not go on from `start`, although it is a part."""
    if response.status_code == _PARTIAL:
        return not response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    return response.status_code == _RANGE_IS_BEYOND


def _check(response: Response, competition: str, credentials: Credentials) -> None:
    rules = f"https://www.kaggle.com/c/{competition}/rules"
    told = {
        401: f"Kaggle does not accept the token in {credentials.variables}; create a new one in its settings.",
        403: f"Kaggle refuses {competition}: accept its rules at {rules} with the account of the token.",
        404: f"Kaggle has no competition called {competition}, or shows it to nobody; see {rules}.",
    }
    if response.status_code not in (200, _PARTIAL):
        status = response.status_code
        raise TaskError(told.get(status, f"Kaggle answered {status} for {competition}; see whether its site works."))
    if "html" in response.headers.get("Content-Type", ""):
        raise TaskError(f"Kaggle sent a page instead of the files of {competition}; sign in and look at {rules}.")


def _receive(response: Response, competition: str, transfer: _Transfer) -> None:
    """Write what comes to the part, after what is there if the server goes on from there."""
    start = transfer.size() if response.status_code == _PARTIAL else 0
    length = response.headers.get("Content-Length")
    total = start + int(length) if length and length.isdigit() else None
    if total is None:
        raise TaskError(f"Kaggle does not say how large {competition} is; download it in the browser.")
    if start == 0:
        # Before the first byte: a part without its version is never gone on with.
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        transfer.part.unlink(missing_ok=True)
        write_json(transfer.facts, {"version": version, "bytes": total})
    with (
        progress(f"download {competition}", total // MIB, "MiB") as advance,
        transfer.part.open("ab") as file,
    ):
        received, shown = start, 0
        for chunk in itertools.chain([b""], response.iter_content(CHUNK_BYTES)):
            file.write(chunk)
            received += len(chunk)
            while shown < received // MIB:
                shown += 1
                advance("")


def _retry_after(response: Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdigit() else 0.0
