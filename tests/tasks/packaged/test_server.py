"""`mlflow models serve`: the real server, asked over HTTP."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.common.packaging.build import package_folder
from tests.e2e.ports import free_port
from tests.tasks.packaged.asking import table_of, test_examples

SECONDS_TO_START = 240


@pytest.fixture(scope="module")
def address(finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server of the digits' package, far from the repository; 10 s to 60 s to start, PyTorch and MLflow."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copytree(package_folder(finished["torch"]), folder / "package")
    port = free_port()
    command = [sys.executable, "-P", "-m", "mlflow", "models", "serve", "-m", "package", "--env-manager", "local"]
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait(f"http://127.0.0.1:{port}/ping", server, folder / "log")
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    started = time.monotonic()
    while time.monotonic() - started < SECONDS_TO_START:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(log.read_text())


def post(address: str, content: object) -> tuple[int, Any]:
    request = urllib.request.Request(
        address, json.dumps(content).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read(), parse_constant=_no_json)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def _no_json(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def test_the_server_says_what_the_predictions_say_to_the_last_bit(finished, address):
    paths = finished["torch"]
    table = table_of(test_examples(paths))
    status, said = post(address, {"dataframe_split": {"columns": table["columns"], "data": table["rows"]}})
    assert status == 200
    rows = pq.read_table(paths.predictions).to_pylist()
    columns = ["prediction", *(f"score:{digit}" for digit in range(10))]
    expected = [{column: row[column] for column in columns} | {"problem": None} for row in rows]
    assert said["predictions"] == expected
    # One at a time: sums of 32 bits, added up in another order.
    for row, wanted in zip(table["rows"][:5], expected, strict=False):
        ((answer,),) = [post(address, {"dataframe_split": {"columns": ["image"], "data": [row]}})[1]["predictions"]]
        assert answer["prediction"] == wanted["prediction"]
        for column in columns[1:]:
            assert answer[column] == pytest.approx(wanted[column], abs=1e-5)


def test_the_example_in_the_package_is_a_request(finished, address):
    example = (package_folder(finished["torch"]) / "serving_input_example.json").read_text()
    status, said = post(address, json.loads(example))
    assert status == 200
    assert [row["problem"] for row in said["predictions"]] == [None]


def test_what_is_no_image_has_a_problem_in_json_and_the_others_their_answers(finished, address):
    good = test_examples(finished["torch"])["image"][0]
    bad = [base64.b64encode(b"no image").decode(), "no base64!", ""]
    status, said = post(address, {"dataframe_split": {"columns": ["image"], "data": [[good], *([c] for c in bad)]}})
    assert status == 200
    first, *others = said["predictions"]
    assert first["problem"] is None
    assert first["prediction"] in list("0123456789")
    for answer in others:
        assert answer["problem"]
        assert {value for column, value in answer.items() if column != "problem"} == {None}


def test_a_table_without_the_column_is_refused(address):
    status, said = post(address, {"dataframe_split": {"columns": ["picture"], "data": [["YQ=="]]}})
    assert status == 400, said
    assert "image" in said["message"]
