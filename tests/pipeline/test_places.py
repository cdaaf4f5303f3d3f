"""What a dependency touches among a pipeline's outputs: the same as by comparing it with each."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from pawl.pipeline.places import Places

# A dot and a space sort before the slash, so that `/a.b` comes between `/a` and what lies in it.
PATHS = st.lists(st.sampled_from(["a", "b", "a.b", "a b", "ab"]), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@given(st.lists(PATHS, unique=True, max_size=12), PATHS)
@example(["/a", "/a.b/a", "/a/b", "/ab"], "/a")
@example(["/a/b/a", "/a"], "/a/b")
def test_touching_is_what_a_comparison_with_each_finds_in_its_order(paths: list[str], path: str) -> None:
    expected = [
        other for other in paths if path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")
    ]
    assert Places(paths).touching(path) == expected
