"""The JSON files: strict both ways, and described by a JSON schema that they meet."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from pawl.pipeline.environment import describe_machine
from pawl.schema import Comparison, Plan, Rate, Series, Stages, Tracking
from tests.support.repositories import branch, pawl

FILES: dict[str, type[BaseModel]] = {
    "plan.json": Plan,
    "stages.json": Stages,
    "comparison.json": Comparison,
    "tracking.json": Tracking,
}


def test_what_a_run_writes_meets_its_schema_and_numbers_equal_dvcs_own(repository: Path) -> None:
    branch(repository, "faster", {"params.yaml": "train:\n  rate: 2.0\n", "pawl.yaml": "tracking: {enabled: false}\n"})
    done = pawl(repository, "run", "--no-pictures", "--json")
    assert done.returncode == 0, done.stderr
    written = {name: json.loads((repository / "reports" / name).read_text()) for name in FILES}
    for name, model in FILES.items():
        jsonschema.validate(written[name], model.model_json_schema())
        assert model.model_validate_json(json.dumps(written[name])).model_dump(mode="json") == written[name]
    comparison = written["comparison.json"]
    assert json.loads(done.stdout) == comparison
    base = repository / ".pawl" / "base" / comparison["base"]["commit"][:16]
    for side, checkout in (("head", repository), ("base", base)):
        shown = dvc_metrics(checkout)
        ours = {metric["key"]: metric[side] for metric in comparison["metrics"]}
        assert ours == shown


def dvc_metrics(checkout: Path) -> dict[str, float]:
    """What `dvc metrics show` says there."""
    command = [sys.executable, "-m", "dvc", "metrics", "show", "--json"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    shown: dict[str, Any] = json.loads(done.stdout)
    files = next(iter(shown.values()))["data"] if "data" in next(iter(shown.values()), {}) else shown
    return dict(files["metrics.json"]["data"])


@pytest.mark.parametrize(
    "hostile",
    [
        {"per_hour": float("nan"), "currency": "EUR"},
        {"per_hour": float("inf"), "currency": "EUR"},
        {"per_hour": "1", "currency": "EUR"},
        {"per_hour": True, "currency": "EUR"},
        {"per_hour": 1.0, "currency": None},
        {"per_hour": 1.0, "currency": "EUR", "more": 1},
    ],
)
def test_what_is_not_exactly_a_record_is_refused(hostile: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rate.model_validate_json(json.dumps(hostile))


def test_texts_and_lists_have_bounds() -> None:
    with pytest.raises(ValidationError):
        Tracking.model_validate({"status": "off", "reason": "x" * 2_001})
    with pytest.raises(ValidationError):
        Series.model_validate({"steps": (0.0,) * 501, "values": (0.0,) * 501})


@given(st.binary(max_size=200))
def test_any_bytes_are_a_plan_or_refused(data: bytes) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate_json(data)


def test_help_loads_nothing_heavy() -> None:
    script = """
import contextlib, sys
from pawl.cli import main
sys.argv = ["pawl", "--help"]
with contextlib.suppress(SystemExit):
    main()
print(sorted({name.split(".")[0] for name in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    for heavy in (
        "dvc",
        "mlflow",
        "torch",
        "tensorflow",
        "pandas",
        "jinja2",
        "networkx",
        "github",
        "pydantic",
    ):
        assert f"'{heavy}'" not in loaded


def test_every_command_has_help_with_an_example(tmp_path: Path) -> None:
    for command in ("plan", "reproduce", "compare", "track", "report", "gate", "comment", "run"):
        done = pawl(tmp_path, command, "--help")
        assert done.returncode == 0
        assert "Example:" in done.stdout


def test_a_run_says_with_which_packages_it_ran() -> None:
    machine = describe_machine([])
    for name in ("dvc", "keras", "numpy", "scikit-learn", "tensorflow", "torch"):
        assert machine.packages[name] == version(name)
