"""The built-in stand-in for photographs of cats and dogs: drawn heads before parts of real photographs.

Nothing but the shapes of ears, muzzle and nose depends on the animal: fur, eyes, pose, light, background and what
stands in front are drawn alike for both.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from tasks.pets.fetch.head import Animal, draw_head, random_head

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

ANIMALS: Final[tuple[Animal, ...]] = get_args(Animal)
# Photographs in scikit-image's package that are CC0 or in the public domain, of no animal and no person.
BACKGROUNDS = ("brick.png", "coffee.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "rocket.jpg")
SHORTEST_PX, LONGEST_PX = 72, 96
DAMAGED_A_PART = 2
# Of the skull's half width to the picture's shorter side; the ears reach out to 1.9 half widths.
HALF_WIDTHS = (0.28, 0.32)
# How far the head is from the middle, in shorter sides, and from upright, in degrees: up to this either way.
FARTHEST_OFF, FARTHEST_TILT = 0.03, 10.0
# How blurred the background is, in pixels.
BLUR_PX = (2.0, 5.0)
# How far the background is faded, as in the depth of a photograph: 0 for not at all, 1 for plain grey.
FADED = 0.5
COVERED_SHARE = 0.1

_OVERSAMPLING = 2
_GREY = (110, 110, 110)


def write_sample(folder: Path, train_images: int, test_images: int, seed: int) -> None:
    """Write `train` and `test`, each with `Cat/<n>.jpg` and `Dog/<n>.jpg` in equal numbers, some of them damaged.

    Image n of a part is a function of the seed, the part and n: more images are the same ones and others.
    """
    import numpy as np

    photographs = _photographs()
    for part_number, (part, count) in enumerate((("train", train_images), ("test", test_images))):
        for animal in ANIMALS:
            (folder / part / animal).mkdir(parents=True)
        for index in range(count):
            animal = ANIMALS[index % len(ANIMALS)]
            random = np.random.default_rng([seed, part_number, index])
            image = picture(animal, photographs, random)
            path = folder / part / animal / f"{index // len(ANIMALS)}.jpg"
            image.save(path, "JPEG", quality=int(random.integers(75, 95)))
    _damage(folder)


def picture(animal: Animal, photographs: list[Image], random: np.random.Generator) -> Image:
    """One picture in RGB, 72 to 96 pixels on each side."""
    import numpy as np
    from PIL import Image, ImageFilter

    width, height = (int(v) for v in random.integers(SHORTEST_PX, LONGEST_PX + 1, 2))
    large = (width * _OVERSAMPLING, height * _OVERSAMPLING)
    short = min(large)
    background = _crop(photographs, (width, height), random)
    background = Image.blend(background, Image.new("RGB", background.size, _GREY), FADED)
    background = background.filter(ImageFilter.GaussianBlur(random.uniform(*BLUR_PX)))
    canvas = background.resize(large, Image.Resampling.BILINEAR)
    half_width = short * random.uniform(*HALF_WIDTHS)
    off_x, off_y = random.uniform(-FARTHEST_OFF, FARTHEST_OFF, 2) * short
    # A little below the middle, because ears stand higher than a chin hangs.
    centre = (large[0] / 2 + off_x, large[1] / 2 + 0.06 * short + off_y)
    draw_head(random_head(animal, random), canvas, centre, half_width, random.uniform(-FARTHEST_TILT, FARTHEST_TILT))
    if random.random() < COVERED_SHARE:
        _cover(canvas, photographs, random)
    image = canvas.resize((width, height), Image.Resampling.BOX)
    return Image.fromarray(_develop(np.asarray(image, np.float32), random))


def _crop(photographs: list[Image], size: tuple[int, int], random: np.random.Generator) -> Image:
    """Some part of one of the photographs, in its proportions."""
    from PIL import Image

    photograph = photographs[int(random.integers(len(photographs)))]
    share = random.uniform(0.35, 0.9)
    scale = share * min(photograph.width / size[0], photograph.height / size[1])
    width, height = size[0] * scale, size[1] * scale
    left = random.uniform(0, photograph.width - width)
    top = random.uniform(0, photograph.height - height)
    box = (left, top, left + width, top + height)
    return photograph.resize(size, Image.Resampling.BILINEAR, box, reducing_gap=2.0)


def _cover(canvas: Image, photographs: list[Image], random: np.random.Generator) -> None:
    """A bar of another photograph over an edge of the picture, as of a fence or a hand."""
    short = min(canvas.size)
    thickness = int(short * random.uniform(0.1, 0.22))
    at = int(random.uniform(0, canvas.width - thickness))
    bar = _crop(photographs, (thickness, canvas.height), random)
    canvas.paste(bar, (at, 0))


def _develop(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Light, contrast, tint and noise of a camera: (H, W, 3) from 0 to 255, float32 to uint8."""
    import numpy as np

    tint = random.normal(1.0, 0.04, 3) * random.uniform(0.75, 1.2)
    mean = pixels.mean()
    lit = (pixels - mean) * random.uniform(0.75, 1.2) + mean
    noisy = lit * tint + random.normal(0, random.uniform(2, 10), pixels.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _photographs() -> list[Image]:
    import skimage
    from PIL import Image

    folder = Path(skimage.__file__).parent / "data"
    return [Image.open(folder / name).convert("RGB") for name in BACKGROUNDS]


def _damage(folder: Path) -> None:
    """What the real set has as well: files cut short, and a picture that is in both parts."""
    for part in ("train", "test"):
        for path in sorted((folder / part / "Cat").iterdir())[:DAMAGED_A_PART]:
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
    shared = sorted((folder / "test" / "Dog").iterdir())[0]
    (folder / "train" / "Dog" / "shared.jpg").write_bytes(shared.read_bytes())
