from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.github import FakeGitHub
from tests.publish.desk import TOKEN, Desk
from tests.publish.run_folder import write_run
from tests.report import examples


@pytest.fixture
def desk() -> Iterator[Desk]:
    with FakeGitHub() as github:
        github.add_token(TOKEN)
        github.add_pull_request("acme/ct", 7)
        yield Desk(github)


@pytest.fixture
def ours() -> Callable[..., str]:
    """The text of a comment as an earlier run of ours left it."""

    def text(body: str = "earlier", run: int = 50, attempt: int = 1, title: str = "pawl") -> str:
        return (
            f"{body}\n\n<!-- pawl run={run} attempt={attempt} commit={'d' * 40} -->\n\n"
            f'![](https://cml.dev/watermark.png#{"d" * 40} "CML watermark {title}")'
        )

    return text


@pytest.fixture(scope="package")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports folder of a run that is better, its pictures drawn, which takes seconds; copy it to change it."""
    return write_run(tmp_path_factory.mktemp("drawn") / "reports", examples.better())
