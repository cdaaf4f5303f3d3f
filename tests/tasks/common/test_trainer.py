from __future__ import annotations

import pytest
from pydantic import ValidationError

from tasks.common.learning.trainer import TrainerParams, compiles, torch_precision
from tasks.common.stage.errors import TaskError
from tests.tasks.common.trainings import PLAIN


def trainer(**changes: object) -> TrainerParams:
    return TrainerParams(**(PLAIN | changes))


@pytest.mark.parametrize("key", PLAIN)
def test_every_key_is_needed(key):
    with pytest.raises(ValidationError):
        TrainerParams(**{name: value for name, value in PLAIN.items() if name != key})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("device", "gpu"),
        ("threads", 0),
        ("precision", "float64"),
        ("compile", "true"),
        ("accumulate_batches", 0),
        ("deterministic", "true"),
        ("checkpoint_seconds", 0.0),
        ("fast_dev_run", 1),
    ],
)
def test_no_value_is_coerced(key, value):
    with pytest.raises(ValidationError):
        trainer(**{key: value})


def test_a_fast_run_is_one_epoch():
    assert trainer().epochs(20) == 20
    assert trainer(fast_dev_run=True).epochs(20) == 1


@pytest.mark.parametrize(("compile_", "on_card", "expected"), [
    ("auto", True, True), ("auto", False, False), (True, False, True), (False, True, False),
])  # fmt: skip
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_steps_are_compiled_by_themselves_on_a_card_only(framework, compile_, on_card, expected, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert compiles(trainer(compile=compile_), framework, on_card) is expected


def test_without_a_compiler_nothing_is_compiled_and_asking_for_it_is_one_sentence(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert compiles(trainer(compile="auto"), "torch", True) is False
    assert compiles(trainer(compile=True), "tensorflow", False) is True
    with pytest.raises(TaskError, match="there is no C\\+\\+ compiler here; install g\\+\\+"):
        compiles(trainer(compile=True), "torch", False)


@pytest.mark.parametrize(
    ("precision", "device", "capability", "expected"),
    [
        ("auto", "cpu", (9, 0), "float32"),
        ("auto", "cuda", (9, 0), "bfloat16"),
        ("auto", "cuda", (7, 5), "float32"),
        ("float16", "cuda", (9, 0), "float16"),
        ("bfloat16", "cpu", (9, 0), "bfloat16"),
    ],
)
def test_the_precision_is_what_the_card_has(precision, device, capability, expected, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert torch_precision(trainer(precision=precision), device) == expected
