"""GPUs: how many there are, and that each stage sees those it was given, and no other stage does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.pipeline import environment
from pawl.pipeline.environment import installed_gpus, visible_gpus, with_gpus
from tests.pipeline.dag import make_dag, outcomes, reproduce_all, stage

TWO = "#!/bin/sh\necho '0, Test Card 80GB'\necho '1, Test Card 80GB'\n"
SEEN = 'seen = os.environ.get("CUDA_VISIBLE_DEVICES", "none"); (at / f"{name} saw").write_text(seen)'
# A card that another stage holds makes the stage fail.
HOLD = 'hold_one_of(f"card {seen}")'


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that tells of two GPUs; writing to it changes what it tells."""
    script = tmp_path / "bin" / "nvidia-smi"
    script.parent.mkdir()
    script.write_text(TWO)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return script


def saw(root: Path, name: str) -> str:
    return (root / "at" / f"{name} saw").read_text()


def test_two_gpus_are_two_stages_at_once_each_with_its_own(tmp_path: Path, cards: Path) -> None:
    """The first two meet while each has a card; a card that two had at once would make one of them fail."""
    stages = {f"g{i}": stage(f"g{i}", SEEN, HOLD) for i in range(6)}
    for name, other in (("g0", "g1"), ("g1", "g0")):
        stages[name] = stage(name, SEEN, f'touch("{name} is here")', f'wait_for("{other} is here")', HOLD)
    root = make_dag(tmp_path / "repository", stages)
    done = reproduce_all(root, jobs=8)
    assert set(outcomes(done).values()) == {"trained"}
    assert {saw(root, "g0"), saw(root, "g1")} == {"0", "1"}
    assert {saw(root, f"g{i}") for i in range(6)} == {"0", "1"}
    assert done.machine.device == "2 x Test Card 80GB"


def test_the_settings_say_who_needs_how_many(tmp_path: Path, cards: Path) -> None:
    settings = """
resources:
  "plain*": {gpus: 0}
  wide: {gpus: 2, cpus: 2}
  huge: {gpus: 16, cpus: 64}
  "*": {gpus: 1}
"""
    stages = {name: stage(name, SEEN) for name in ("plain1", "wide", "huge", "any")}
    root = make_dag(tmp_path / "repository", stages, {"pawl.yaml": settings})
    said: list[str] = []
    assert set(outcomes(reproduce_all(root, jobs=4, say=said.append)).values()) == {"trained"}
    assert [saw(root, name) for name in ("plain1", "wide", "huge")] == ["", "0,1", "0,1"]
    assert saw(root, "any") in ("0", "1")
    assert [line for line in said if "wants" in line] == [
        "huge wants 16 GPUs of 2 and 64 cpus of 4 jobs, and is given what there is"
    ]


def test_stages_without_gpus_do_not_wait_for_those_with(tmp_path: Path, cards: Path) -> None:
    cards.write_text("#!/bin/sh\necho '0, Test Card'\n")
    stages = {
        "trains": stage("trains", SEEN, 'wait_for("plain is done")'),
        "waits": stage("waits", SEEN),
        "plain": stage("plain", SEEN, 'touch("plain is done")'),
    }
    root = make_dag(tmp_path / "repository", stages, {"pawl.yaml": "resources: {plain: {gpus: 0}}\n"})
    assert set(outcomes(reproduce_all(root, jobs=2)).values()) == {"trained"}
    assert [saw(root, name) for name in ("trains", "waits", "plain")] == ["0", "0", ""]


def test_one_job_leaves_a_stage_that_nothing_names_all_gpus(tmp_path: Path, cards: Path) -> None:
    root = make_dag(tmp_path / "repository", {"any": stage("any", SEEN)})
    reproduce_all(root, jobs=1)
    assert saw(root, "any") == "0,1"


def test_without_gpus_nothing_is_set_and_nothing_said(tmp_path: Path, cards: Path) -> None:
    cards.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed' >&2\nexit 9\n")
    root = make_dag(tmp_path / "repository", {"any": stage("any", SEEN)}, {"pawl.yaml": "resources: {any: {gpus: 1}}"})
    said: list[str] = []
    reproduce_all(root, jobs=2, say=said.append)
    assert saw(root, "any") == "none"
    assert not [line for line in said if "wants" in line]


def test_gpus_are_those_that_nvidia_smi_tells_of(cards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed_gpus() == [("0", "Test Card 80GB"), ("1", "Test Card 80GB")]
    cards.write_text("#!/bin/sh\necho 'No devices were found'\n")
    assert installed_gpus() == []
    cards.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(environment, "_NVIDIA_SMI_SECONDS", 0.2)
    assert installed_gpus() == []
    monkeypatch.setenv("PATH", "/nowhere")
    assert installed_gpus() == []


@pytest.mark.parametrize(
    ("chosen", "visible"),
    [
        (None, ("0", "1", "2")),
        ("1", ("1",)),
        ("2, 0", ("2", "0")),
        ("", ()),
        ("-1", ()),
        ("0,-1,2", ("0",)),
        ("1,7,2", ("1",)),
        ("1,1", ("1",)),
        ("GPU-8f2c,MIG-77aa", ("GPU-8f2c", "MIG-77aa")),
    ],
)
def test_the_choice_of_whoever_started_us_is_respected(chosen: str | None, visible: tuple[str, ...]) -> None:
    installed = [(str(index), "card") for index in range(3)]
    environ = {} if chosen is None else {"CUDA_VISIBLE_DEVICES": chosen}
    assert visible_gpus(installed, environ) == visible
    assert visible_gpus([], environ) == ()
    given = with_gpus(environ, visible[:1], visible)
    assert given.get("CUDA_VISIBLE_DEVICES") == (visible[0] if visible else chosen)
