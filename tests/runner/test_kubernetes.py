"""The values for GitHub's runner scale sets: only fields that chart and Kubernetes know, and what must hold in them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

VALUES = Path(__file__).parents[2] / "deploy/kubernetes/values.yaml"
TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
BYTES: dict[str, Any] = {"type": "string", "pattern": r"^[1-9][0-9]*(Ki|Mi|Gi|Ti)$"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
YES_NO: dict[str, Any] = {"type": "boolean"}


def strict(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required or [], "properties": properties}


def listed(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ : what is used here.
AMOUNTS = strict(
    cpu={"type": "string", "pattern": r"^[1-9][0-9]*m?$"},
    memory=BYTES,
    **{"ephemeral-storage": BYTES, "nvidia.com/gpu": {"type": "integer", "minimum": 1}},
)
CONTAINER = strict(
    ["name"],
    name=TEXT,
    image=TEXT,
    command=listed(TEXT),
    args=listed(TEXT),
    env=listed(strict(["name", "value"], name=TEXT, value=TEXT)),
    resources=strict(requests=AMOUNTS, limits=AMOUNTS),
    securityContext=strict(
        runAsNonRoot=YES_NO, allowPrivilegeEscalation=YES_NO, capabilities=strict(drop=listed({"enum": ["ALL"]}))
    ),
    volumeMounts=listed(strict(["name", "mountPath"], name=TEXT, mountPath=TEXT, readOnly=YES_NO)),
)
VOLUME = strict(
    ["name"],
    name=TEXT,
    emptyDir=strict(medium={"enum": ["Memory"]}, sizeLimit=BYTES),
    persistentVolumeClaim=strict(["claimName"], claimName=TEXT, readOnly=YES_NO),
)
POD = strict(
    ["containers"],
    automountServiceAccountToken=YES_NO,
    restartPolicy={"enum": ["Never"]},
    activeDeadlineSeconds=COUNT,
    terminationGracePeriodSeconds=COUNT,
    tolerations=listed(strict(key=TEXT, operator={"enum": ["Exists"]}, effect={"enum": ["NoSchedule"]})),
    securityContext=strict(
        runAsNonRoot=YES_NO, runAsUser=COUNT, runAsGroup=COUNT, fsGroup=COUNT, seccompProfile=strict(type=TEXT)
    ),
    initContainers=listed(CONTAINER),
    containers=listed(CONTAINER),
    volumes=listed(VOLUME),
)
# The chart's values.yaml and templates/autoscalingrunnerset.yaml in actions/actions-runner-controller.
CHART = strict(
    ["githubConfigUrl", "githubConfigSecret", "template"],
    githubConfigUrl={"type": "string", "pattern": r"^https://[^/]+/[^/]+(/[^/]+)?$"},
    githubConfigSecret=TEXT,  # the name of a secret; the chart would take the secret itself, too
    runnerScaleSetName={"type": "string", "minLength": 1, "maxLength": 45},
    scaleSetLabels=listed({"type": "string", "minLength": 1, "maxLength": 255}),
    minRunners=COUNT,
    maxRunners=COUNT,
    containerMode=strict(["type"], type={"enum": ["dind", "kubernetes", "kubernetes-novolume"]}),
    listenerTemplate=strict(["spec"], spec=POD),
    template=strict(["spec"], spec=POD),
)


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(VALUES.read_text("utf-8"))
    return loaded


def test_the_values_fit_the_chart(values: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(CHART)
    jsonschema.Draft202012Validator(CHART).validate(values)
    assert values["minRunners"] <= values["maxRunners"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["maxRunner"], 1),
        (["githubConfigSecret"], {"github_token": "t"}),
        (["template", "spec", "nodeSelectors"], {}),
        (["template", "spec", "containers", 0, "resources", "limits", "nvidia.com/gpus"], 1),
        (["template", "spec", "containers", 0, "securityContext", "privileged"], True),
    ],
)
def test_the_check_is_strict(values: dict[str, Any], path: list[Any], value: Any) -> None:
    changed = yaml.safe_load(yaml.safe_dump(values))
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(CHART).validate(changed)


def test_what_must_hold(values: dict[str, Any]) -> None:
    pod = values["template"]["spec"]
    runner = next(container for container in pod["containers"] if container["name"] == "runner")
    assert values["scaleSetLabels"] == ["self-hosted", "linux", "gpu"]
    assert (
        values["listenerTemplate"]["spec"]["containers"][0]["name"] == "listener"
    )  # else it is a side-car to the chart
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert runner["resources"]["limits"]["nvidia.com/gpu"] == 1
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"] + pod["initContainers"]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"])
        for mount in container["volumeMounts"]:
            assert mount["name"] in volumes
            assert mount.get("readOnly", False) == (mount["name"] == "shared-cache")


def test_dvc_restores_from_a_cache_of_links_into_a_read_only_one(
    values: dict[str, Any], repository: Path, tmp_path: Path
) -> None:
    """The init container's own script, its two folders put elsewhere."""

    def dvc(*arguments: str, **more: Any) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        done = subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True, **more)
        return done.stdout

    dvc("repro", "--quiet")
    shared, own = tmp_path / "shared", tmp_path / "own"
    (repository / ".dvc/cache").rename(shared)
    own.mkdir()
    for path in [*shared.rglob("*"), shared]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat() for path in shared.rglob("*")}
    init = values["template"]["spec"]["initContainers"][0]
    script = init["args"][0].replace("/mnt/shared-cache", str(shared)).replace("/mnt/cache", str(own))
    subprocess.run([*init["command"], script], check=True)
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "DVC_GLOBAL_CONFIG_DIR": str(own / "config"), "DVC_NO_ANALYTICS": "1"}
    environment |= {"DVC_SITE_CACHE_DIR": str(tmp_path / "site"), "HOME": str(tmp_path)}
    for name in ("model.txt", "metrics.json", "dvc.lock"):
        (repository / name).unlink()
    said = dvc("repro", env=environment)
    assert said.count("is cached - skipping run") == 2
    (repository / "params.yaml").write_text((repository / "params.yaml").read_text().replace("1", "7", 1))
    assert "Running stage" in dvc("repro", env=environment)  # new results go to the job's own cache
    after = {path: path.stat() for path in shared.rglob("*")}
    assert {p: (s.st_mode, s.st_mtime_ns) for p, s in after.items()} == {
        p: (s.st_mode, s.st_mtime_ns) for p, s in before.items()
    }
    for path in [shared, *shared.rglob("*")]:
        path.chmod(0o755)
