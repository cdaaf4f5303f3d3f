"""The built-in sample: photographs that are drawn, not taken, in the layout of APTOS 2019.

Every eye is scikit-image's one photograph of a healthy retina (CC0), turned, scaled, lit and blurred at random, with
the lesions of its grade drawn on it. What a model learns from it is no use on a patient.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.stage.progress import progress
from tasks.retinopathy.fetch.lesions import N_GRADES, Eye, draw_artefacts, draw_lesions

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

SHARES = (0.32, 0.14, 0.25, 0.14, 0.15)
"""Of the grades 0 to 4. APTOS has more of 0 and fewer of 1, 3 and 4, too few of them for a sample of this size."""


def write_sample(folder: Path, n_images: int, height: int, seed: int) -> dict[str, Any]:
    """Write train.csv and train_images/<id>.png, `height` pixels high, and return what source.json says of them."""
    import numpy as np

    grades = np.random.default_rng([seed, 0]).permutation(_grades(n_images))
    retina = _retina(height)
    names = _names(n_images, seed)
    (folder / "train_images").mkdir()
    with progress("fetch retinopathy", n_images, "image") as advance:
        for number, (name, grade) in enumerate(zip(names, grades, strict=True)):
            image = draw_eye(retina, int(grade), height, np.random.default_rng([seed, 2, number]))
            image.save(folder / "train_images" / f"{name}.png", compress_level=3)
            advance("")
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id_code", "diagnosis"))
        writer.writerows((name, int(grade)) for name, grade in zip(names, grades, strict=True))
    return {
        "name": "Drawn stand-in for graded fundus photographs, on scikit-image's photograph of a healthy retina",
        "address": "https://commons.wikimedia.org/wiki/File:Fundus_photograph_of_normal_left_eye.jpg",
        "licence": "CC0",
        "synthetic": True,
        "examples": n_images,
    }


def draw_eye(retina: Image, grade: int, height: int, rng: np.random.Generator) -> Image:
    """One photograph, `height` pixels high and as wide or wider, of an eye of the grade, 0 to 4."""
    import numpy as np
    from PIL import Image, ImageFilter

    width = int(height * rng.uniform(1, 1.3))
    eye = Eye((width - 1) / 2, (height - 1) / 2, float(rng.uniform(0.44, 0.49)) * height)
    pixels = np.asarray(_turned(retina, eye, (width, height), rng), np.float32).copy()
    draw_lesions(pixels, eye, grade, rng)
    draw_artefacts(pixels, eye, rng)
    across = (np.arange(width) - eye.centre_x)[None, :] / eye.radius
    down = (np.arange(height) - eye.centre_y)[:, None] / eye.radius
    squared = across**2 + down**2  # (H, W), 1 at the rim
    inside = squared < 1
    pixels = np.power(np.clip(pixels, 0, 255) / 255, np.exp(rng.uniform(-0.5, 0.5)), dtype=np.float32) * 255
    _expose(pixels, inside, rng)
    lit = 1 - rng.uniform(0.05, 0.35) * squared + rng.uniform(-0.15, 0.15) * across + rng.uniform(-0.15, 0.15) * down
    pixels *= np.clip(lit, 0, 1.3)[..., None].astype(np.float32)
    pixels += rng.normal(0, rng.uniform(1, 4), pixels.shape).astype(np.float32)
    pixels[~inside] = rng.uniform(0, 4, 3)
    image = Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.55)) * height / 128))


def _expose(pixels: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> None:
    """Give each channel of the eye a brightness and a contrast of chance, as a camera that sets itself does.

    Without it, and a tone curve of chance before it, colours alone would tell how much of the eye is bleeding.
    """
    import numpy as np

    mean = np.array([165, 85, 60]) * rng.uniform(0.75, 1.2) * rng.uniform(0.88, 1.12, 3)
    deviation = np.array([30, 24, 19]) * rng.uniform(0.8, 1.2) * rng.uniform(0.9, 1.1, 3)
    seen = pixels[inside]
    pixels -= seen.mean(axis=0)
    pixels *= (deviation / seen.std(axis=0)).astype(np.float32)
    pixels += mean.astype(np.float32)


def _turned(retina: Image, eye: Eye, size: tuple[int, int], rng: np.random.Generator) -> Image:
    """The retina, at random mirrored, turned, slightly scaled and moved, where `eye` is in an image of `size`."""
    import numpy as np
    from PIL import Image

    scale = retina.width / 2 / eye.radius * rng.uniform(0.8, 0.95)
    angle = rng.uniform(0, 2 * np.pi)
    mirror = 1 if rng.random() < 0.5 else -1
    # From each pixel of the new image to its place in the photograph.
    a, b = scale * np.cos(angle), -scale * np.sin(angle)
    d, e = mirror * scale * np.sin(angle), mirror * scale * np.cos(angle)
    middle = retina.width / 2 + rng.uniform(-0.04, 0.04, 2) * retina.width
    c = middle[0] - a * eye.centre_x - b * eye.centre_y
    f = middle[1] - d * eye.centre_x - e * eye.centre_y
    return retina.transform(size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR)


def _retina(height: int) -> Image:
    """The photograph, cropped to the eye, about as large as it will be shown."""
    import skimage.data
    from PIL import Image

    path = Path(skimage.data.__file__).parent / "retina.jpg"
    with Image.open(path) as photograph:
        side = min(photograph.size)
        margin = side // 100
        eye = photograph.convert("RGB").crop((margin, margin, side - margin, side - margin))
    return eye.resize((height, height), Image.Resampling.LANCZOS)


def _grades(n_images: int) -> list[int]:
    """The grade of each image, in the shares above and at least one of each."""
    ends = [round(n_images * sum(SHARES[: grade + 1])) for grade in range(N_GRADES)]
    return [grade for grade, end in enumerate(ends) for _ in range(end - (ends[grade - 1] if grade else 0))]


def _names(n_images: int, seed: int) -> list[str]:
    """Distinct ids of 12 hexadecimal digits, as in APTOS, which say nothing of the grade."""
    import numpy as np

    rng = np.random.default_rng([seed, 1])
    names: dict[str, None] = {}
    while len(names) < n_images:
        names[f"{int(rng.integers(2**48)):012x}"] = None
    return list(names)
