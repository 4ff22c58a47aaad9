"""What lies behind garments, and what is no garment at all: drawn, never photographed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lapel.picture import PictureSpec, read_picture

Image8 = NDArray[np.uint8]  # (side, side, 3)
Field = NDArray[np.float64]  # (side, side), or with three colours behind
_TEXT = (
    "THE OF AND to in is you that it he was for on are as with his they I at be this have from "
    "0123456789 % . , - @"
)
_LETTERS = list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghkmnpqrstuvwxyz0123456789?!&#")


def grounds(count: int, side: int, seed: int) -> Image8:
    """Draw surfaces: plain, lit from a side, folded, woven, planked, tiled, checked, spotted, cluttered."""
    random = np.random.default_rng((seed, 1))
    kinds = (_plain, _plain, _lit, _folds, _folds, _noise, _planks, _checks, _spots, _clutter)
    drawn = [kinds[random.integers(len(kinds))](side, random) for _ in range(count)]
    return np.stack([_finish(image, random) for image in drawn])


def nothings(count: int, side: int, seed: int, only: str | None = None) -> Image8:
    """Draw what is no garment, of every kind in KINDS or of one."""
    random = np.random.default_rng((seed, 2))
    drawn = [KINDS[only or str(random.choice(_OFTEN))](side, random) for _ in range(count)]
    return np.stack(drawn)


def as_given(pictures: Image8, seed: int) -> Image8:
    """The same as a model is given them: some come small and are enlarged, some are padded to a square."""
    random = np.random.default_rng((seed, 3))
    spec = PictureSpec(size=pictures.shape[1], channels=3)
    return np.stack([read_picture(_sent(Image.fromarray(picture), random), spec) for picture in pictures])


def in_grey(pictures: Image8) -> NDArray[np.uint8]:
    """The same as grey pictures (n, side, side, 1)."""
    grey: NDArray[np.uint8] = pictures.astype(np.float32).mean(3, keepdims=True).round().astype(np.uint8)
    return grey


def _sent(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A third of the pictures shrunk, a third wide or tall."""
    kind, side = random.integers(3), image.width
    if kind == 0:
        return image.resize((28, 28), Image.Resampling.BOX)
    if kind == 1:
        short = int(side * random.uniform(0.4, 0.9))
        return image.crop((0, 0, side, short) if random.random() < 0.5 else (0, 0, short, side))
    return image


def any_colour(random: np.random.Generator) -> Field:
    """A colour as rooms and fabrics have them: often near grey, now and then loud."""
    level = random.uniform(0.05, 1.0)
    tint = random.normal(0, random.choice([0.02, 0.08, 0.35]), 3)
    colour: Field = np.clip(level + tint - tint.mean(), 0, 1)
    return colour


def fractal(side: int, random: np.random.Generator, roughness: float) -> Field:
    """Noise whose power falls with frequency, from 0 to 1: clouds where it falls fast, sand where slowly."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    phases = random.normal(size=frequency.shape) + 1j * random.normal(size=frequency.shape)
    field: Field = np.fft.irfft2(phases * frequency**-roughness, s=(side, side))
    low, high = float(field.min()), float(field.max())
    return (field - low) / (high - low)


def _mix(share: Field, random: np.random.Generator, contrast: float = 1.0) -> Field:
    """Two colours, by the share of the second; with less contrast they are nearer to each other."""
    first = any_colour(random)
    second = first + (any_colour(random) - first) * contrast
    return first + share[..., None] * (second - first)


def _axis(side: int, turn: float) -> Field:
    """How far along a direction each pixel lies."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    along: Field = columns * np.cos(turn) + rows * np.sin(turn)
    return along


def _plain(side: int, random: np.random.Generator) -> Field:
    image = np.broadcast_to(any_colour(random), (side, side, 3))
    return image + random.normal(0, random.uniform(0, 0.03), (side, side, 1))


def _lit(side: int, random: np.random.Generator) -> Field:
    return _mix(_axis(side, random.uniform(0, 7)), random, 0.4)


def _folds(side: int, random: np.random.Generator) -> Field:
    """A sheet: ridges that wander, bright on one flank and dark on the other."""
    bend = fractal(side, random, random.uniform(1.5, 2.5))
    along = _axis(side, random.uniform(0, 7)) * random.uniform(1, 5)
    height = np.sin((along + bend * random.uniform(0.5, 3)) * 6.3)
    light: Field = np.gradient(height + bend * 2, axis=int(random.integers(2)))
    light /= np.abs(light).max() + 1e-6
    return any_colour(random) * (1 + light[..., None] * random.uniform(0.1, 0.6))


def _noise(side: int, random: np.random.Generator) -> Field:
    return _mix(fractal(side, random, random.uniform(0.3, 2.2)), random, random.uniform(0.2, 1))


def _planks(side: int, random: np.random.Generator) -> Field:
    """Boards or tiles: bands, each of its own tone, with a dark seam and a grain along them."""
    turn = random.choice([0, np.pi / 2, random.uniform(0, 7)])
    place = _axis(side, turn) * random.uniform(2, 9) + 20
    tones = random.uniform(-0.15, 0.15, 64)
    grain = np.sin(fractal(side, random, 1.5) * random.uniform(5, 40) + place * 30) * random.uniform(0, 0.12)
    seam = (place % 1 < 0.06) * random.uniform(0, 0.5)
    across = _axis(side, turn + np.pi / 2) * random.uniform(1, 6) + 20
    seam = np.maximum(seam, (across % 1 < 0.04) * random.choice([0, 0.4]))
    tone: Field = tones[place.astype(int) % 64] + grain - seam
    return any_colour(random) + tone[..., None]


def _checks(side: int, random: np.random.Generator) -> Field:
    turn, many = random.uniform(0, 7), random.uniform(2, 14)
    first = np.sin(_axis(side, turn) * many * 6.3)
    second = np.sin(_axis(side, turn + np.pi / 2) * many * 6.3)
    pattern = random.choice([0, 1, 2])
    value = (first, first * second, np.maximum(first, second))[pattern]
    sharp = random.uniform(1, 8)
    return _mix(np.clip(value * sharp / 2 + 0.5, 0, 1), random, random.uniform(0.2, 1))


def _spots(side: int, random: np.random.Generator) -> Field:
    """Patterned cloth: a cloud cut at a few levels."""
    steps = np.floor(fractal(side, random, random.uniform(1.0, 2.0)) * random.integers(2, 9))
    palette = np.stack([any_colour(random) for _ in range(10)])
    image: Field = palette[steps.astype(int)]
    return image


def _clutter(side: int, random: np.random.Generator) -> Field:
    """A room out of focus: things that stand before each other."""
    image = Image.fromarray(as_bytes(_lit(side, random)))
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(2, 12)):
        x, y = random.uniform(-0.2, 1, 2) * side
        wide, tall = random.uniform(0.1, 0.9, 2) * side
        colour = tuple(as_bytes(any_colour(random)).tolist())
        (draw.rectangle if random.random() < 0.6 else draw.ellipse)([x, y, x + wide, y + tall], fill=colour)
    return np.asarray(image) / 255


def _finish(image: Field, random: np.random.Generator) -> Image8:
    light = 1 + (_axis(len(image), random.uniform(0, 7)) - 0.5) * random.uniform(0, 0.7)
    return as_bytes(image * light[..., None] + random.normal(0, random.uniform(0, 0.02), image.shape))


def as_bytes(image: Field) -> Image8:
    """Numbers from 0 to 1 as whole ones from 0 to 255."""
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def _surface(side: int, random: np.random.Generator) -> Image8:
    kinds = (_plain, _lit, _folds, _noise, _planks, _checks, _spots, _clutter)
    return _finish(kinds[random.integers(len(kinds))](side, random), random)


def _static(side: int, random: np.random.Generator) -> Image8:
    """Noise of any coarseness, in grey or in colour, some of it shrunk or enlarged as photos are."""
    across = max(4, int(side * 2 ** random.uniform(-2, 2)))
    noise = random.uniform(0, 1, (across, across, int(random.choice([1, 3]))))
    if random.random() < 0.3:
        noise = (noise > random.uniform(0.2, 0.8)).astype(float)
    image = Image.fromarray(as_bytes(np.broadcast_to(noise, (across, across, 3))))
    how = Image.Resampling.NEAREST if random.random() < 0.3 else Image.Resampling.BICUBIC
    return np.asarray(image.resize((side, side), how))


def _blank(side: int, random: np.random.Generator) -> Image8:
    level = random.choice([0.0, 1.0, random.uniform()])
    noise = random.normal(0, random.uniform(0, 0.02), (side, side, 1))
    return as_bytes(np.clip(level + noise, 0, 1).repeat(3, 2))


def _page(side: int, random: np.random.Generator) -> Image8:
    """A screenshot: lines of text, dark on bright or bright on dark, with a bar and some boxes."""
    dark = random.random() < 0.4
    paper, ink = (any_colour(random) * 0.25, 0.75 + any_colour(random) * 0.25)[:: 1 if dark else -1]
    large = side * 4
    image = Image.new("RGB", (large, large), tuple(as_bytes(paper).tolist()))
    draw = ImageDraw.Draw(image)
    size = float(random.uniform(8, 60))
    font = ImageFont.load_default(size)
    y = random.uniform(0, 30)
    if random.random() < 0.5:
        height, bar = random.uniform(10, 60), tuple(as_bytes(any_colour(random)).tolist())
        draw.rectangle([0, 0, large, height], fill=bar)
    while y < large * random.uniform(0.5, 1.2):
        line = " ".join(random.choice(_TEXT.split(" "), random.integers(1, 14)))
        draw.text((random.uniform(0, 30), y), line, fill=tuple(as_bytes(ink).tolist()), font=font)
        y += size * random.uniform(1.1, 2.2)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX))


def _strokes(side: int, random: np.random.Generator) -> Image8:
    """What a pen leaves: a few curves, of any width, bright on dark or dark on bright; some are letters."""
    grey = Image.new("L", (side * 3, side * 3), 0)
    if random.random() < 0.35:
        _letters(grey, random)
    else:
        _curves(grey, random)
    turned = grey.rotate(float(random.normal(0, 15)), Image.Resampling.BILINEAR)
    share = np.asarray(turned.resize((side, side), Image.Resampling.BOX)) / 255
    if random.random() < 0.5:
        return as_bytes(share[..., None].repeat(3, 2))  # as the digits of MNIST lie: white on black
    return as_bytes(_mix(share, random))


def _letters(grey: Image.Image, random: np.random.Generator) -> None:
    font = ImageFont.load_default(float(random.uniform(0.4, 1.0) * grey.width))
    letters = "".join(random.choice(_LETTERS, random.integers(1, 3)))
    x, y = random.uniform(0, 0.35, 2) * grey.width
    width = int(random.integers(0, 12))
    ImageDraw.Draw(grey).text((x, y), letters, fill=255, font=font, stroke_width=width)


def _curves(grey: Image.Image, random: np.random.Generator) -> None:
    draw = ImageDraw.Draw(grey)
    width = int(random.uniform(0.02, 0.12) * grey.width)
    t = np.linspace(0, 1, 40)[:, None]
    for _ in range(random.integers(1, 5)):
        a, b, c, d = random.uniform(0.15, 0.85, (4, 2)) * grey.width
        curve = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
        draw.line([tuple(point) for point in curve], fill=255, width=width, joint="curve")
        for x, y in (curve[0], curve[-1]):
            draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=255)


def _blobs(side: int, random: np.random.Generator) -> Image8:
    """Things that are there, but are no clothes: smooth or angular shapes with a surface of their own."""
    ground, thing = _surface(side, random) / 255, _surface(side, random) / 255
    if random.random() < 0.35:
        ground = np.broadcast_to(random.choice([0.0, 1.0]), ground.shape)
    if random.random() < 0.5:
        field = fractal(side, random, random.uniform(2, 3))
        rows, columns = np.mgrid[0:side, 0:side] / side - 0.5
        shape = field - np.hypot(rows, columns) * random.uniform(0.5, 2)
        inside = shape > np.quantile(shape, random.uniform(0.4, 0.9))
    else:
        mask = Image.new("L", (side, side), 0)
        draw = ImageDraw.Draw(mask)
        for _ in range(random.integers(1, 4)):
            middle, reach = random.uniform(0.25, 0.75, 2), random.uniform(0.1, 0.45)
            corners = np.sort(random.uniform(0, 6.3, random.integers(3, 9)))
            points = middle + np.stack([np.cos(corners), np.sin(corners)], 1) * reach
            draw.polygon([tuple(point * side) for point in points], fill=255)
        inside = np.asarray(mask) > 0
    return as_bytes(np.where(inside[..., None], thing, ground))


KINDS = {
    "surfaces": _surface,
    "noise": _static,
    "text": _page,
    "strokes": _strokes,
    "shapes": _blobs,
    "blank": _blank,
}
_OFTEN = ("surfaces", "surfaces", "noise", "text", "text", "strokes", "strokes", "strokes", "shapes", "blank")
