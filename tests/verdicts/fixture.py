"""A repository whose model answers 300 questions, and can be made better or worse, or be asked other questions."""

from __future__ import annotations

from pathlib import Path

from tests.support.repositories import make_repository

PREPARE = """
import csv, json, random, yaml
params = yaml.safe_load(open("params.yaml"))["prepare"]
source = random.Random(params["seed"])
with open("manifest.csv", "w", newline="") as out:
    rows = csv.writer(out)
    rows.writerow(["id", "split", "label", "digest"])
    for at in range(params["examples"]):
        label = source.choice(["cat", "dog"])
        name = f"{params['seed']}-{at}"
        if at in params["relabelled"]:
            label = "dog" if label == "cat" else "cat"
        rows.writerow([name, "test", label, f"{source.getrandbits(128):032x}"])
"""
TRAIN = """
import json, yaml
params = yaml.safe_load(open("params.yaml"))["train"]
if params["skill"] < 0:
    raise SystemExit("skill cannot be negative")
json.dump(params, open("model.json", "w"))
"""
# An example is answered rightly where the model's skill exceeds how hard it is; luck comes from the seed of training.
EVALUATE = """
import csv, json, random
import pandas as pd
model = json.load(open("model.json"))
rows = []
for row in csv.DictReader(open("manifest.csv")):
    hardness = random.Random("hard" + row["id"]).random()
    luck = random.Random(f"{model['seed']}{row['id']}").gauss(0, 0.05)
    right = hardness < model["skill"] + luck
    other = "dog" if row["label"] == "cat" else "cat"
    prediction = row["label"] if right else other
    sure = 0.55 + 0.4 * abs(model["skill"] + luck - hardness)
    scores = {f"score:{prediction}": sure}
    scores[f"score:{'dog' if prediction == 'cat' else 'cat'}"] = 1 - sure
    light = "night" if random.Random("light" + row["id"]).random() < 0.3 else "day"
    rows.append({"id": row["id"], "target": row["label"], "prediction": prediction, "slice:light": light, **scores})
table = pd.DataFrame(rows)
WRITE
accuracy = float((table["target"] == table["prediction"]).mean())
json.dump({"accuracy": accuracy, "examples": len(table)}, open("metrics.json", "w"))
"""
WRITES = 'table.to_parquet("predictions.parquet", index=False)'
PIPELINE = """
stages:
  prepare:
    cmd: python prepare.py
    deps: [prepare.py]
    params: [prepare]
    outs: [manifest.csv]
  train:
    cmd: python train.py
    deps: [train.py]
    params: [train]
    outs: [model.json]
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, manifest.csv, model.json]
    outs: [predictions.parquet]
    metrics: [metrics.json]
"""
CONFIG = """
models: ["model.json"]
metrics:
  "metrics.json:accuracy": {direction: higher, primary: true}
  "metrics.json:examples": {direction: none}
"""


def params(
    *, skill: float = 0.8, seed: int = 1, data_seed: int = 1, examples: int = 300, relabelled: tuple[int, ...] = ()
) -> str:
    """params.yaml of the fixture. skill: share of the questions that the model can answer, 0 to 1."""
    return (
        f"prepare:\n  seed: {data_seed}\n  examples: {examples}\n  relabelled: {list(relabelled)}\n"
        f"train:\n  skill: {skill}\n  seed: {seed}\n"
    )


def evaluate(writes: str = WRITES) -> str:
    """evaluate.py; `writes` is the line that writes the predictions."""
    return EVALUATE.replace("WRITE", writes)


def without_predictions() -> dict[str, str]:
    """The files of a repository that only counts."""
    pipeline = PIPELINE.replace("    outs: [predictions.parquet]\n", "")
    return {"evaluate.py": evaluate(""), "dvc.yaml": pipeline}


def make_fixture(root: Path, files: dict[str, str] | None = None, *, config: str = CONFIG) -> Path:
    """The repository on main, with a model of skill 0.8."""
    own = {
        "prepare.py": PREPARE,
        "train.py": TRAIN,
        "evaluate.py": evaluate(),
        "dvc.yaml": PIPELINE,
        "params.yaml": params(),
        "data.txt": "",
    }
    return make_repository(root, own | (files or {}), config=config)
