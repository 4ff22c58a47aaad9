"""Changes to whole batches of training pictures, on the device they lie on."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ...recipes.schema import Augmentation


def augment(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    """Change every picture in its own way.

    `pictures` (n, channels, height, width) are numbers from 0 to 1; so are those that come back. `random`
    draws everything, on the pictures' device.
    """
    if how.rotate or how.scale:
        pictures = _turn(pictures, how, random)
    elif how.flip:
        mirrored = _draw(pictures, random) < 0.5
        pictures = torch.where(mirrored, pictures.flip(3), pictures)
    if how.shift:
        pictures = _shift(pictures, how.shift, random)
    if how.brightness or how.contrast:
        more = (_draw(pictures, random) * 2 - 1) * how.contrast + 1
        lift = (_draw(pictures, random) * 2 - 1) * how.brightness
        middle = pictures.mean((1, 2, 3), keepdim=True)
        pictures = ((pictures - middle) * more + middle + lift).clamp_(0, 1)
    if how.erase:
        pictures = erase(pictures, how.erase, random)
    return pictures


def _draw(pictures: Tensor, random: torch.Generator) -> Tensor:
    return torch.rand((len(pictures), 1, 1, 1), generator=random, device=pictures.device)


def _turn(pictures: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    # One resampling does mirroring, turning and scaling together.
    angle, grow, mirror = (_draw(pictures, random).flatten() * 2 - 1 for _ in range(3))
    angle, grow = angle * math.radians(how.rotate), 1 / (1 + grow * how.scale)
    side = torch.where(mirror < 0, -1.0, 1.0) if how.flip else torch.ones_like(mirror)
    cos, sin, none = torch.cos(angle) * grow, torch.sin(angle) * grow, torch.zeros_like(angle)
    rows = torch.stack((side * cos, -sin, none, side * sin, cos, none), dim=1).view(-1, 2, 3)
    grid = F.affine_grid(rows, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="zeros", align_corners=False)


def _shift(pictures: Tensor, most: int, random: torch.Generator) -> Tensor:
    # A window of the padded picture, chosen for each picture: strided views, then one gather.
    count, _, height, width = pictures.shape
    padded = F.pad(pictures, (most,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (n, channels, down, right, height, width)
    down, right = torch.randint(0, 2 * most + 1, (2, count), generator=random, device=pictures.device)
    return windows[torch.arange(count, device=pictures.device), :, down, right]


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
