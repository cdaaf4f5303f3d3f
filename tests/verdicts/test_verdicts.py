"""Every verdict, and every reason for which there is none, from a repository to the comment that people read.

The comments that were read and found right are kept under golden/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pawl.report.document import write_reports
from tests.support.loop import Measured, measure
from tests.support.repositories import branch, commit
from tests.verdicts.fixture import CONFIG, PIPELINE, evaluate, make_fixture, params, without_predictions

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Case:
    """A pull request against the fixture's main, and what is to be said of it."""

    verdict: str
    change: dict[str, str]
    passes: bool
    main: dict[str, str] = field(default_factory=dict)
    config: str = CONFIG
    why_not: str | None = None
    rescore: bool = False


TWO_TASKS = CONFIG.replace('"metrics.json:accuracy"', '"*metrics.json:accuracy"')
CASES = {
    "better": Case("better", {"params.yaml": params(skill=0.95)}, passes=True),
    "worse": Case("worse", {"params.yaml": params(skill=0.6)}, passes=False),
    "no-measurable-change": Case("no measurable change", {"params.yaml": params(seed=2)}, passes=True),
    "not-shown-not-inferior": Case(
        "no measurable change",
        {"params.yaml": params(seed=2)},
        passes=False,
        config=CONFIG.replace("primary: true", "primary: true, tolerance: 0.002, non_inferiority: true"),
    ),
    "within-the-tolerance": Case(
        "no measurable change",
        {"params.yaml": params(skill=0.78)},
        passes=True,
        config=CONFIG.replace("primary: true", "primary: true, tolerance: 0.1, non_inferiority: true"),
    ),
    "other-ids": Case("not comparable", {"params.yaml": params(data_seed=2)}, passes=False, why_not="other ids"),
    "more-ids": Case("not comparable", {"params.yaml": params(examples=350)}, passes=False, why_not="other ids"),
    "other-targets": Case(
        "not comparable", {"params.yaml": params(relabelled=(3, 4, 5))}, passes=False, why_not="other targets"
    ),
    "other-evaluation": Case(
        "not comparable",
        {"evaluate.py": evaluate().replace("0.55", "0.52"), "params.yaml": params(skill=0.95)},
        passes=False,
        why_not="other evaluation",
    ),
    "rescored": Case(
        "better",
        {"evaluate.py": evaluate().replace("0.55", "0.52"), "params.yaml": params(skill=0.95, examples=350)},
        passes=True,
        rescore=True,
    ),
    "nothing-to-pair": Case(
        "not comparable",
        {"params.yaml": params(skill=0.95)},
        passes=False,
        main=without_predictions(),
        why_not="nothing to pair",
    ),
    "predictions-taken-away": Case(
        "not comparable",
        without_predictions() | {"params.yaml": params(skill=0.95)},
        passes=False,
        config=CONFIG.replace("primary: true", "primary: true, tolerance: 0.01"),
        why_not="nothing to pair",
    ),
    "by-the-tolerance-alone": Case(
        "worse",
        {"params.yaml": params(skill=0.6)},
        passes=False,
        main=without_predictions(),
        config=CONFIG.replace("primary: true", "primary: true, tolerance: 0.01"),
    ),
    "no-value": Case(
        "not comparable",
        {"evaluate.py": evaluate().replace("float((", "0 * float('nan') * float((")},
        passes=False,
        why_not="no value",
    ),
    "unchanged": Case("unchanged", {"notes.md": "words"}, passes=True),
    "failed": Case("failed", {"params.yaml": params(skill=-1)}, passes=False),
}


def run(root: Path, case: Case) -> Measured:
    """The pull request of `case`, measured, with its reports written."""
    make_fixture(root, case.main, config=case.config)
    branch(root, "change", case.change)
    measured = measure(root, rescore=case.rescore)
    write_reports(root / "reports", measured.plan, measured.stages, measured.comparison, None, pictures=False)
    return measured


@pytest.mark.parametrize("name", CASES)
def test_each_verdict_from_the_repository_to_the_comment(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    measured = run(tmp_path / "repository", case)
    comparison = measured.comparison
    accuracy = [metric for metric in comparison.metrics if metric.key == "accuracy"]
    assert comparison.verdict == case.verdict
    assert comparison.gate_passed is case.passes, comparison.gate_reason
    if comparison.verdict not in ("unchanged", "failed"):
        assert [metric.why_not for metric in accuracy] == [case.why_not]
    matches_golden(tmp_path, f"{name}.md", tmp_path / "repository")


def test_several_tasks_have_the_worst_verdict_of_any(tmp_path: Path) -> None:
    folders = {f"{task}/{name}": text for task in ("first", "second") for name, text in _files().items()}
    root = make_fixture(tmp_path / "repository", folders, config=TWO_TASKS.replace("model.json", "*model.json"))
    branch(
        root,
        "change",
        {"first/params.yaml": params(skill=0.95), "second/params.yaml": params(skill=0.6)},
    )
    measured = measure(root)
    write_reports(root / "reports", measured.plan, measured.stages, measured.comparison, None, pictures=False)
    verdicts = {metric.path: metric.verdict for metric in measured.comparison.metrics if metric.primary}
    assert verdicts["first/metrics.json"] == "better"
    assert verdicts["second/metrics.json"] == "worse"
    assert measured.comparison.verdict == "worse"
    matches_golden(tmp_path, "several-tasks.md", root)


def _files() -> dict[str, str]:
    from tests.verdicts.fixture import PREPARE, TRAIN

    return {
        "prepare.py": PREPARE,
        "train.py": TRAIN,
        "evaluate.py": evaluate(),
        "dvc.yaml": PIPELINE,
        "params.yaml": params(),
    }


def test_a_second_push_that_repairs_is_measured_anew(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    assert run(root, CASES["worse"]).comparison.verdict == "worse"
    commit(root, "Repair", {"params.yaml": params(skill=0.95)})
    assert measure(root).comparison.verdict == "better"


def matches_golden(folder: Path, name: str, root: Path) -> None:
    """Whether the comment is the one that was read and kept, but for what differs between machines and days."""
    plain = _plain((root / "reports" / "report.md").read_text(encoding="utf-8"))
    expected, now = GOLDEN / name, folder / name
    now.write_text(plain, encoding="utf-8")
    assert plain == expected.read_text(encoding="utf-8"), f"look at {now}, and if it is right, copy it to {expected}"


def _plain(text: str) -> str:
    text = re.sub(r"<details>\n<summary><b>Cost</b>.*?</details>\n\n", "", text, flags=re.S)
    text = re.sub(r"Python `[\w.]+`", "Python", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "COMMIT", text)
    text = re.sub(r"`[0-9a-f]{7,12}`", "`HEX`", text)
    text = re.sub(r"(?<![\w.])(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{7,12}\b", "HEX", text)
    text = re.sub(r"\b\d+(\.\d+)? (s|min|kB|MB|GB|CPUs?)\b", r"N \2", text)
    text = re.sub(r"<!-- pawl-history .*? -->", "<!-- pawl-history -->", text, flags=re.S)
    return re.sub(r"on CPU: .*?(?=[,|\n])|CPU: [^|,\n`]*", "CPU", text)
