"""How long to wait, for whatever GitHub or a proxy before it may answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pawl.publish.retry import LONGEST_BACKOFF_SECONDS, Failure, wait_seconds

NAMES = st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "server"])
VALUES = st.integers(-10, 10**13).map(str) | st.sampled_from(["0", "", "nan", "inf", "1e9", "١٢", " 5 "]) | st.text()
FAILURES = st.builds(
    Failure,
    st.none() | st.integers(300, 599),
    st.text() | st.just("secondary rate limit"),
    st.dictionaries(NAMES, VALUES),
)
TIMES = st.floats(0, 4e9)
JITTER = st.floats(0, 1)


@given(FAILURES, st.integers(1, 10**6), TIMES, JITTER)
def test_every_answer_has_a_finite_wait(failure: Failure, failures: int, now: float, jitter: float) -> None:
    assert 0.5 <= wait_seconds(failure, failures, now, jitter) < 2e12


@given(FAILURES, st.integers(0, 10**9), st.integers(1, 20), TIMES, JITTER)
def test_it_never_comes_back_before_it_was_asked_to(
    failure: Failure, asked: int, failures: int, now: float, jitter: float
) -> None:
    failure = Failure(failure.status, failure.message, {**failure.headers, "retry-after": str(asked)})
    assert wait_seconds(failure, failures, now, jitter) >= asked


@given(st.integers(0, 4 * 10**9), st.integers(1, 20), TIMES, JITTER)
def test_a_spent_quota_is_waited_out(reset: int, failures: int, now: float, jitter: float) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
    assert now + wait_seconds(Failure(403, "API rate limit exceeded", headers), failures, now, jitter) > reset


@given(st.integers(1, 20), TIMES, JITTER)
def test_a_secondary_limit_without_a_time_takes_a_minute_and_more(failures: int, now: float, jitter: float) -> None:
    failure = Failure(403, "You have exceeded a secondary rate limit", {"x-ratelimit-remaining": "4000"})
    wait = wait_seconds(failure, failures, now, jitter)
    assert wait >= 60
    assert wait_seconds(failure, failures + 1, now, jitter) >= wait


@given(st.none() | st.integers(500, 599), st.integers(1, 10**6), TIMES, JITTER)
def test_a_server_error_backs_off_within_bounds(status: int | None, failures: int, now: float, jitter: float) -> None:
    wait = wait_seconds(Failure(status, ""), failures, now, jitter)
    assert min(2.0 ** min(failures - 1, 10), LONGEST_BACKOFF_SECONDS) / 2 <= wait <= LONGEST_BACKOFF_SECONDS


@given(st.sampled_from([400, 401, 404, 410, 422]), st.dictionaries(NAMES, VALUES))
def test_a_refusal_is_not_repeated(status: int, headers: dict[str, str]) -> None:
    assert not Failure(status, "no", headers).may_pass


def test_a_missing_permission_is_not_a_limit_even_when_the_quota_ends_with_it() -> None:
    assert not Failure(403, "Resource not accessible by integration", {"x-ratelimit-remaining": "0"}).may_pass
    assert Failure(403, "Forbidden", {"x-ratelimit-remaining": "0"}).may_pass
