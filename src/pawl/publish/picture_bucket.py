"""Pictures in a Google Cloud Storage bucket that everybody can read, named as on the branch: by day and content.

GitHub fetches pictures of other hosts itself, without a login, and a signed address is dead after a week: so a bucket
is for pictures that may be public. The bucket's own lifecycle rule takes old ones away, and nothing here needs the
right to delete. The upload is one request of Google's JSON API (https://cloud.google.com/storage/docs/json_api), so
that the job that comments does without a client library.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date
from urllib.parse import quote, urlencode

from pawl.errors import InputError, PawlError, ServiceError
from pawl.publish.github_api import Progress, one_line
from pawl.publish.picture_branch import Picture
from pawl.publish.retry import Failure, Patience, wait_seconds
from pawl.waiting import within

ENDPOINT = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
TOKEN_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105
"""What `google-github-actions/auth` makes with `token_format: access_token`; without it google-auth is asked."""


def bucket_addresses(pictures: Sequence[Picture], bucket: str, address: str | None, today: date) -> dict[str, str]:
    """Stem -> where the picture is read; `address` is that of the bucket's folder, where it is not Google's own."""
    start = (address or f"{ENDPOINT}/{bucket.removeprefix('gs://')}").rstrip("/")
    return {picture.stem: f"{start}/{today.isoformat()}/{picture.name}" for picture in pictures}


def keep_in_bucket(
    pictures: Sequence[Picture],
    bucket: str,
    today: date,
    *,
    env: Mapping[str, str] | None = None,
    patience: Patience | None = None,
    progress: Progress = lambda line: None,
) -> None:
    """Upload the pictures that are not there yet.

    STORAGE_EMULATOR_HOST in `env` leads to a stand-in for Google's service, which is told no token. Raises InputError
    where Google refuses, ServiceError where it does not take a picture within the patience.
    """
    import requests

    environment = os.environ if env is None else env
    emulator = environment.get("STORAGE_EMULATOR_HOST", "").rstrip("/")
    endpoint = (emulator if "://" in emulator else f"http://{emulator}") if emulator else ENDPOINT
    headers = {"Content-Type": "image/png", "Cache-Control": "public, max-age=86400"}
    if not emulator:
        headers["Authorization"] = f"Bearer {_access_token(environment)}"
    upload = _Upload(patience or Patience(), progress)
    name, _, folder = bucket.removeprefix("gs://").partition("/")
    with requests.Session() as session:
        session.headers.update(headers)
        for picture in {picture.name: picture for picture in pictures}.values():
            path = "/".join(part for part in (folder, today.isoformat(), picture.name) if part)
            # Not written over what is there, which by its name is the same.
            query = urlencode({"uploadType": "media", "name": path, "ifGenerationMatch": "0"})
            upload.send(session, f"{endpoint}/upload/storage/v1/b/{quote(name)}/o?{query}", picture, bucket)


class _Upload:
    """Uploads with one budget of waiting for all of them."""

    def __init__(self, patience: Patience, progress: Progress) -> None:
        self.patience = patience
        self.progress = progress
        self.waited_seconds = 0.0

    def send(self, session: object, url: str, picture: Picture, bucket: str) -> None:
        """Send one picture until it is there."""
        patience = self.patience
        for failures in range(1, patience.tries + 1):
            started = patience.now()
            failure = _try(session, url, picture.png, patience.request_seconds)
            if failure is None:
                return
            self.waited_seconds += max(patience.now() - started, 0.0)
            word = f"{failure.status} {failure.message}" if failure.status else failure.message
            if not failure.may_pass:
                raise _refusal(failure, word, bucket)
            seconds = max(wait_seconds(failure, failures, patience.now(), patience.jitter()), 0.0)
            if failures == patience.tries or self.waited_seconds + seconds > patience.total_wait_seconds:
                break
            self.waited_seconds += seconds
            self.progress(f"{bucket} did not take the picture {picture.stem} ({word}): waiting {seconds:.0f} s")
            patience.sleep(seconds)
        raise ServiceError(f"{bucket} did not take the picture {picture.stem} (the last answer: {word})")


def _try(session: object, url: str, png: bytes, seconds: float) -> Failure | None:
    """One request; None where the picture is there after it."""
    import requests

    assert isinstance(session, requests.Session)
    try:
        answer = within(seconds, lambda: session.post(url, data=png, timeout=seconds, allow_redirects=False))
    except (TimeoutError, requests.exceptions.RequestException) as error:
        return Failure(None, f"{type(error).__name__}, no complete answer")
    if answer.status_code < 300 or answer.status_code == 412:
        return None
    return Failure(
        answer.status_code,
        one_line(answer.reason or "without a message"),
        {key.lower(): value for key, value in answer.headers.items()},
    )


def _refusal(failure: Failure, word: str, bucket: str) -> PawlError:
    if failure.status in (401, 403):
        return InputError(
            f"the job may not write to {bucket} ({word}): give its identity roles/storage.objectUser there"
        )
    if failure.status == 404:
        return InputError(
            f"there is no {bucket} ({word}): make it, or name another one in `images.bucket` of pawl.yaml"
        )
    return InputError(f"{bucket} does not take pictures ({word}): ask whoever administers it")


def _access_token(env: Mapping[str, str]) -> str:
    """A token to write with: the one given, else that of the machine's or the workflow's identity."""
    if given := env.get(TOKEN_VARIABLE, "").strip():
        return given
    try:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
    except ImportError:
        raise InputError(
            f"there is no identity to write to the bucket with: pass {TOKEN_VARIABLE} in the step's `env:`, or install"
            " google-auth"
        ) from None
    try:
        credentials, _ = google.auth.default(scopes=[SCOPE])
        credentials.refresh(Request())
    except GoogleAuthError as error:
        raise InputError(
            f"there is no identity to write to the bucket with ({one_line(error)}): sign in to Google Cloud by workload"
            f" identity federation in a step before, or pass {TOKEN_VARIABLE}"
        ) from None
    return str(credentials.token)
