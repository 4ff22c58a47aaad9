"""Changes to whole batches of training pictures, on the device they lie on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from ...recipes.schema import Augmentation
from ...training.changes import SHARP, ways_of

_Way: TypeAlias = Callable[[Tensor, Augmentation, torch.Generator], Tensor]


def augment(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    """Change every picture in its own way.

    `pictures` (n, channels, height, width) are numbers from 0 to 1; so are those that come back. `random`
    draws everything, on the pictures' device.
    """
    given = pictures
    if how.alone:
        pictures = _one_each(_mirror(pictures, how, random), how, random)
    else:
        for way in ways_of(how):
            pictures = _WAYS[way](pictures, how, random)
    if how.changed < 1:
        pictures = torch.where(_draw(pictures, random) < how.changed, pictures, given)
    return pictures


def _one_each(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    # Batches are shuffled, so that places will do for chance: the first picture goes the first way.
    ways, count = ways_of(how), len(pictures)
    if not ways:
        return pictures
    rows = -(-count // len(ways))
    places = torch.arange(rows * len(ways), device=pictures.device).view(rows, -1) % count
    parts = [_WAYS[way](pictures[places[:, number]], how, random) for number, way in enumerate(ways)]
    return torch.stack(parts, 1).flatten(0, 1)[:count]


def _draw(pictures: Tensor, random: torch.Generator) -> Tensor:
    return torch.rand((len(pictures), 1, 1, 1), generator=random, device=pictures.device)


def _turn(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    # One resampling does mirroring, turning, shearing and scaling together.
    angle, grow, mirror = (_draw(pictures, random).flatten() * 2 - 1 for _ in range(3))
    angle, grow = angle * math.radians(how.rotate), 1 / (1 + grow * how.scale)
    side = torch.where(mirror < 0, -1.0, 1.0) if how.flip else torch.ones_like(mirror)
    cos, sin, none = torch.cos(angle) * grow, torch.sin(angle) * grow, torch.zeros_like(angle)
    over, down = -sin, cos
    if how.shear:
        lean = (_draw(pictures, random).flatten() * 2 - 1) * how.shear
        over, down = over + lean * cos, down + lean * sin
    rows = torch.stack((side * cos, over, none, side * sin, down, none), dim=1).view(-1, 2, 3)
    grid = F.affine_grid(rows, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="zeros", align_corners=False)


def _mirror(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    if not how.flip:
        return pictures
    return torch.where(_draw(pictures, random) < 0.5, pictures.flip(3), pictures)


def _light(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    more = (_draw(pictures, random) * 2 - 1) * how.contrast + 1
    lift = (_draw(pictures, random) * 2 - 1) * how.brightness
    middle = pictures.mean((1, 2, 3), keepdim=True)
    return ((pictures - middle) * more + middle + lift).clamp_(0, 1)


def _invert(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    return torch.where(_draw(pictures, random) < how.invert, 1 - pictures, pictures)


def _quarter(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    # A frame that is not square holds half turns alone.
    chosen, drawn = _draw(pictures, random) < how.quarter, (_draw(pictures, random) * 3).long() + 1
    if pictures.shape[2] != pictures.shape[3]:
        return torch.where(chosen, pictures.rot90(2, (2, 3)), pictures)
    for turns in (1, 2, 3):
        pictures = torch.where(chosen & (drawn == turns), pictures.rot90(turns, (2, 3)), pictures)
    return pictures


def _blur(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    # A bell for each picture, long in one direction and less so across it: from round to a line.
    count, channels, height, width = pictures.shape
    reach = min(math.ceil(2 * how.blur), height - 1, width - 1)
    angle = _draw(pictures, random) * math.pi
    along = _draw(pictures, random) * how.blur + SHARP
    across = _draw(pictures, random) * along + SHARP
    steps = torch.arange(-reach, reach + 1.0, device=pictures.device)
    down, right = steps.view(1, 1, -1, 1), steps.view(1, 1, 1, -1)
    far = (right * angle.cos() + down * angle.sin()) / along
    aside = (down * angle.cos() - right * angle.sin()) / across
    bells = torch.exp(-(far.square() + aside.square()) / 2)
    bells = (bells / bells.sum((2, 3), keepdim=True)).repeat_interleave(channels, dim=0)
    framed = F.pad(pictures, (reach,) * 4, mode="reflect").reshape(
        1, -1, height + 2 * reach, width + 2 * reach
    )
    return F.conv2d(framed, bells, groups=count * channels).view_as(pictures)


def _noise(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    wide = _draw(pictures, random) * how.noise
    drawn = torch.randn(pictures.shape, generator=random, device=pictures.device)
    return (pictures + drawn * wide).clamp_(0, 1)


def _specks(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    share = _draw(pictures, random) * how.specks
    drawn = torch.rand(pictures.shape, generator=random, device=pictures.device)
    return torch.where(drawn < share, (drawn < share / 2).to(pictures.dtype), pictures)


def _shift(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    # A window of the padded picture, chosen for each picture: strided views, then one gather.
    most, (count, _, height, width) = how.shift, pictures.shape
    padded = F.pad(pictures, (most,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (n, channels, down, right, height, width)
    down, right = torch.randint(0, 2 * most + 1, (2, count), generator=random, device=pictures.device)
    return windows[torch.arange(count, device=pictures.device), :, down, right]


def _erase(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    return erase(pictures, how.erase, random)


def erase(pictures: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Fill a rectangle of this share of the pictures with noise: 2 to 33 % of the area, 3:10 to 10:3.

    `pictures` and `random` are those of `augment`.
    """
    height, width = pictures.shape[2:]
    chosen, area, form, top, left = (_draw(pictures, random) for _ in range(5))
    area = (0.02 + 0.31 * area) * height * width
    form = torch.exp((form * 2 - 1) * math.log(10 / 3))
    tall, wide = (area * form).sqrt().clamp(max=height), (area / form).sqrt().clamp(max=width)
    top, left = (top * (height - tall)).round(), (left * (width - wide)).round()
    rows = torch.arange(height, device=pictures.device).view(1, 1, -1, 1)
    columns = torch.arange(width, device=pictures.device).view(1, 1, 1, -1)
    inside = (
        (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide) & (chosen < share)
    )
    noise = torch.rand(pictures.shape, generator=random, device=pictures.device)
    return torch.where(inside, noise, pictures)


_WAYS: dict[str, _Way] = {
    "quarter": _quarter,
    "turn": _turn,
    "mirror": _mirror,
    "shift": _shift,
    "blur": _blur,
    "light": _light,
    "invert": _invert,
    "noise": _noise,
    "specks": _specks,
    "erase": _erase,
}
