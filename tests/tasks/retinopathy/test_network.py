from __future__ import annotations

import numpy as np
import pytest

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.paths import TaskPaths
from tasks.retinopathy.model.network import build
from tasks.retinopathy.model.ordinal import ordinal_loss
from tasks.retinopathy.train.pretrained import Pretrained, load_pretrained

WIDTHS = {"small_cnn": [8, 16], "resnet18": [8, 8, 16, 16]}


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("side", [32, 57])
def test_any_size_of_image_gives_one_row_of_answers_each(name, side):
    import torch

    model = build(name, WIDTHS[name], 0.0, 4).eval()
    assert model(torch.zeros(3, 3, side, side)).shape == (3, 4)


def test_resnet18_has_the_parameters_of_the_paper_and_the_names_of_its_weights():
    model = build("resnet18", [64, 128, 256, 512], 0.0, 1000)
    assert sum(p.numel() for p in model.parameters()) == 11_689_512
    names = set(model.state_dict())
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer1.1.conv2.weight",
        "layer4.0.downsample.1.bias",
        "fc.bias",
    } <= names
    assert len(names) == 122


def test_the_small_network_has_the_parameters_it_seems_to_have():
    model = build("small_cnn", [16, 32, 64], 0.2, 4)
    convolutions = 9 * (3 * 16 + 16 * 32 + 32 * 64)
    assert sum(p.numel() for p in model.parameters()) == convolutions + 2 * (16 + 32 + 64) + 64 * 4 + 4


@pytest.mark.parametrize("name", WIDTHS)
def test_eight_images_are_learnt_by_heart(name):
    import torch

    torch.manual_seed(0)
    images = torch.randn(8, 3, 32, 32)
    grades = torch.arange(8) % 5
    model = build(name, WIDTHS[name] if name == "resnet18" else [32, 64], 0.0, 4)
    loss_of = ordinal_loss(np.ones(4))
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = loss_of(model(images), grades)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


def test_pretrained_weights_are_taken_all_but_the_last_layer(tmp_path):
    import torch
    from safetensors.torch import save_file

    given = build("resnet18", WIDTHS["resnet18"], 0.0, 1000).state_dict()
    weights = {name: tensor for name, tensor in given.items() if not name.endswith("num_batches_tracked")}
    save_file(weights, tmp_path / "w.safetensors")
    model = build("resnet18", WIDTHS["resnet18"], 0.0, 4)
    head = model.state_dict()["fc.weight"].clone()
    pinned = Pretrained(path="w.safetensors", sha256=file_digest(tmp_path / "w.safetensors"))
    load_pretrained(model, TaskPaths(tmp_path, "retinopathy"), pinned)
    assert torch.equal(model.state_dict()["layer3.0.conv1.weight"], given["layer3.0.conv1.weight"])
    assert torch.equal(model.state_dict()["fc.weight"], head)


@pytest.mark.parametrize(
    ("path", "digest", "words"),
    [
        ("absent", "0", "no file in the repository"),
        ("../outside", "0", "no file in the repository"),
        ("w", None, "sha256 is missing.* set this line: sha256: [0-9a-f]{64}$"),
        ("w", "0" * 64, "not the digest"),
        ("text", "right", "no safetensors file"),
        ("w", "right", "of another network"),
    ],
)
def test_pretrained_weights_that_cannot_be_used_are_one_sentence(tmp_path, path, digest, words):
    from safetensors.torch import save_file

    (tmp_path / "root").mkdir()
    (tmp_path / "outside").touch()
    (tmp_path / "root" / "text").write_text("no weights")
    save_file(build("resnet18", [4, 4, 8, 8], 0.0, 4).state_dict(), tmp_path / "root" / "w")
    if digest == "right":
        digest = file_digest(tmp_path / "root" / path)
    model = build("resnet18", WIDTHS["resnet18"], 0.0, 4)
    with pytest.raises(TaskError, match=words):
        load_pretrained(model, TaskPaths(tmp_path / "root", "retinopathy"), Pretrained(path=path, sha256=digest))
