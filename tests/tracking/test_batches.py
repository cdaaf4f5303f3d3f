from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pawl.tracking.batches import MAX_TEXT_BYTES, MAX_TOGETHER, MAX_WORDS, Waiting, requests_of
from pawl.tracking.events import Point

texts = st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=200), max_size=250)
long_texts = st.dictionaries(
    st.text("abc", min_size=1, max_size=9), st.integers(1, 6_000).map(lambda length: "é" * length), max_size=40
)


@given(st.integers(0, 2_500), texts | long_texts, texts | long_texts)
def test_all_of_it_is_said_once_in_order_and_within_what_mlflow_takes(
    count: int, params: dict[str, str], tags: dict[str, str]
) -> None:
    points: list[Point] = [("loss", float(step), step, 1) for step in range(count)]
    requests = list(requests_of(Waiting(points, params, tags)))

    assert [point for request in requests for point in request.points] == points
    assert [item for request in requests for item in request.params.items()] == list(params.items())
    assert [item for request in requests for item in request.tags.items()] == list(tags.items())
    for request in requests:
        assert 0 < len(request.points) + len(request.params) + len(request.tags) <= MAX_TOGETHER
        for words in (request.params, request.tags):
            assert len(words) <= MAX_WORDS
            assert sum(len(json.dumps(name)) + len(json.dumps(text)) for name, text in words.items()) <= MAX_TEXT_BYTES


def test_what_fits_into_one_request_is_one() -> None:
    points: list[Point] = [("loss", 0.5, step, 1) for step in range(MAX_TOGETHER - 2 * MAX_WORDS)]
    words = {str(number): "x" for number in range(MAX_WORDS)}
    assert len(list(requests_of(Waiting(points, dict(words), dict(words))))) == 1
    assert list(requests_of(Waiting())) == []
