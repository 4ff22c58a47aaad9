"""Training pictures for the photo model: garments of Fashion-MNIST laid on grounds, and photos changed.

Fashion-MNIST's own black ground says where each garment is: that makes it a stencil to be cut out, dyed, and
laid anywhere. Pictures are float (n, 3, side, side) from 0 to 1; masks (n, 1, side, side).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

TROUSER, DRESS, SANDAL, SNEAKER, ANKLE_BOOT = 1, 3, 5, 7, 9
OTHER, NOTHING = 10, 11  # after the ten classes: a garment that is none of them, and no garment at all
_SHOES = (SANDAL, SNEAKER, ANKLE_BOOT)


class Scenes:
    """Draws training pictures; everything random follows from `seed`."""

    def __init__(self, grounds: Tensor, side: int, seed: int) -> None:
        self._grounds = grounds  # uint8 (n, 3, more, more)
        self._side = side
        self._random = torch.Generator().manual_seed(seed)

    def compose(self, garments: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Lay garments (n, 28, 28; 0 to 1) on grounds: pictures, and where the garments are."""
        count = len(garments)
        relief, stencil = _cut_out(garments)
        pairs = self._chance(count, 0.5) & torch.isin(labels, torch.tensor(_SHOES))
        lying = self._chance(count, 0.7) & (labels != ANKLE_BOOT) | self._chance(count, 0.2)
        picture, masks = self._any_ground(count), torch.zeros(count, 1, self._side, self._side)
        dye = self._dye(count)
        turn = self._turns(count)
        for second in (False, True):
            place = self._places(count, turn, pairs, lying, second=second)
            shade, soft = self._laid(torch.cat([relief, stencil], 1), place)
            mask = _crisp(soft)
            if second:
                mask = mask * pairs.view(-1, 1, 1, 1)
            picture = self._shadow(picture, mask)
            picture = picture * (1 - mask) + (dye * shade).clamp(0, 1) * mask
            masks = torch.maximum(masks, mask)
        return self.light(picture), masks

    def lay(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Lay things drawn in colours (n, 4, any, any; 0 to 1, a stencil last) on grounds, likewise."""
        count = len(drawn)
        alone = torch.zeros(count, dtype=torch.bool)
        place = self._places(count, self._turns(count), alone, alone, second=False)
        colours, soft = self._laid(torch.cat([drawn[:, :3] * drawn[:, 3:], drawn[:, 3:]], 1), place)
        mask = _crisp(soft)
        picture = self._shadow(self._any_ground(count), mask)
        return self.light(picture * (1 - mask) + colours / soft.clamp(min=0.2) * mask), mask

    def vary(self, photos: Tensor, masks: Tensor) -> Tensor:
        """Photos (n, 3, large, large; 0 to 1) moved, turned, mirrored, zoomed and lit in other ways.

        Of some, the garment, as `masks` show it, has another colour or lies on another ground afterwards.
        What comes in at the corners has the colour of the rim, or is the rim drawn out.
        """
        count, large = len(photos), photos.shape[2]
        share = masks.mean((1, 2, 3), keepdim=True)
        found = (share > 0.06) & (share < 0.85)
        dyed = self._redyed(photos, masks, share)
        photos = torch.where(found & self._some(photos, 0.2), dyed, photos)
        swapped = found & self._some(photos, 0.4)
        ground = F.interpolate(self._ground(count), (large, large), mode="bilinear")
        ground = torch.where(self._some(photos, 0.5), self._bare(count), ground)
        photos = torch.where(swapped, photos * masks + ground * (1 - masks), photos)
        zoom = self._between(count, 0.75, 1.4)
        stretch = (self._normal(count) * 0.08).exp()
        turn = self._turns(count)
        cos, sin = torch.cos(turn) * zoom, torch.sin(turn) * zoom
        mirror = torch.where(self._chance(count, 0.5), -1.0, 1.0)
        slack = (1 - zoom).abs() * 0.8 + 0.06
        across, down = (self._between(count, -1, 1) * slack for _ in range(2))
        rows = torch.stack(
            [mirror * cos * stretch, -sin / stretch, across, mirror * sin * stretch, cos / stretch, down], 1
        )
        grid = F.affine_grid(rows.view(-1, 2, 3), [count, 3, self._side, self._side], align_corners=False)
        rim = _rim(photos)
        plain = F.grid_sample(photos - rim, grid, align_corners=False) + rim
        smeared = F.grid_sample(photos, grid, padding_mode="border", align_corners=False)
        return self.light(torch.where(self._some(photos, 0.6), plain, smeared))

    def light(self, pictures: Tensor) -> Tensor:
        """Another light, another camera: brightness, contrast, tint, blur, noise, a lost patch."""
        count = len(pictures)
        middle = pictures.mean((1, 2, 3), keepdim=True)
        contrast = (self._normal(count) * 0.2).exp().view(-1, 1, 1, 1)
        gain = (self._normal(count) * 0.22).exp().view(-1, 1, 1, 1)
        tint = (self._normal(count * 3) * 0.07).exp().view(-1, 3, 1, 1)
        pictures = ((pictures - middle) * contrast + middle) * gain * tint
        grey = self._some(pictures, 0.12)
        pictures = torch.where(grey, pictures.mean(1, keepdim=True), pictures)
        swapped = self._some(pictures, 0.15)
        order = torch.randperm(3, generator=self._random)
        pictures = torch.where(swapped, pictures[:, order], pictures)
        pictures = pictures.clamp(0, 1) ** (self._normal(count) * 0.15).exp().view(-1, 1, 1, 1)
        soft = self._some(pictures, 0.25)
        blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
        pictures = torch.where(soft, blurred, pictures)
        noise = (self._between(count, -0.05, 0.05).clamp(min=0)).view(-1, 1, 1, 1)
        pictures = pictures + torch.randn(pictures.shape, generator=self._random) * noise
        return self._lose(pictures.clamp(0, 1))

    def surfaces(self, pictures: Tensor) -> Tensor:
        """What is no garment, mirrored, laid on a side, shifted, and half of it lit in other ways."""
        laid = torch.where(self._some(pictures, 0.5), pictures.transpose(2, 3), pictures)
        moved = self.move(laid, 4, beyond="border")
        return torch.where(self._some(pictures, 0.5), self.light(moved), moved)

    def negate(self, pictures: Tensor, share: float) -> Tensor:
        """Light for dark in a share of the pictures: garments on black lie on white then."""
        return torch.where(self._some(pictures, share), 1 - pictures, pictures)

    def move(self, pictures: Tensor, most: int, beyond: str = "zeros") -> Tensor:
        """Mirror half of the pictures and shift all by up to `most` pixels; zeros lie beyond, or the rim."""
        mirrored = self._chance(len(pictures), 0.5).view(-1, 1, 1, 1)
        pictures = torch.where(mirrored, pictures.flip(3), pictures)
        across, down = torch.randint(-most, most + 1, (2, len(pictures)), generator=self._random)
        rows = torch.zeros(len(pictures), 2, 3)
        rows[:, 0, 0] = rows[:, 1, 1] = 1
        rows[:, 0, 2], rows[:, 1, 2] = across * 2 / pictures.shape[2], down * 2 / pictures.shape[2]
        grid = F.affine_grid(rows, list(pictures.shape), align_corners=False)
        return F.grid_sample(pictures, grid, padding_mode=beyond, align_corners=False)

    def cropped(self, garments: Tensor, labels: Tensor) -> Tensor:
        """Other garments made of these: trousers cut short, and dresses without a top (skirts)."""
        rows = torch.arange(28).view(1, 28, 1)
        legs = (labels == TROUSER).view(-1, 1, 1)
        knee, waist = self._between(len(garments), 9, 15), self._between(len(garments), 11, 17)
        cut = torch.where(legs, knee.view(-1, 1, 1), waist.view(-1, 1, 1))
        kept = torch.where(legs, rows < cut, rows >= cut)
        return garments * kept

    def _places(self, count: int, turn: Tensor, pairs: Tensor, lying: Tensor, *, second: bool) -> Tensor:
        """Where each garment lies: the map from the picture back to the garment's own pixels."""
        size = self._between(count, 0.5, 1.05)
        size = torch.where(pairs, size.clamp(max=0.9) * 0.62, size)
        stretch = (self._normal(count) * 0.12).exp()
        # Shoes that stand are seen from the front: as high as from the side, and much narrower.
        narrow = torch.where(pairs & ~lying, self._between(count, 0.6, 0.9), 1.0)
        size = torch.where(pairs & ~lying, self._between(count, 0.6, 0.95) * narrow, size)
        stretch = stretch * narrow
        side = 1.0 if second else -1.0
        lie = torch.where(lying, math.pi / 2, 0.0)
        lean = turn + torch.where(pairs, side * (lie + self._normal(count) * 0.2), 0.0)
        mirror = torch.where(self._chance(count, 0.5), -1.0, 1.0)
        mirror = torch.where(pairs, torch.full_like(mirror, side), mirror)
        slack = (1 - size).clamp(min=0.03)
        across, down = (self._between(count, -1, 1) * slack * 0.8 for _ in range(2))
        apart = side * self._between(count, 0.32, 0.5)
        across, down = torch.where(pairs, apart, across), torch.where(pairs, down * 0.4, down)
        cos, sin = torch.cos(lean), torch.sin(lean)
        first = torch.stack([mirror * cos, mirror * sin], 1) / (size * stretch)[:, None]
        rest = torch.stack([-sin, cos], 1) / (size / stretch)[:, None]
        turned = torch.stack([first, rest], 1)
        shift = -(turned @ torch.stack([across, down], 1)[..., None])
        return torch.cat([turned, shift], 2)

    def _turns(self, count: int) -> Tensor:
        """Many upright, some leaning, some on a side or on their head."""
        kind = torch.rand(count, generator=self._random)
        upright, leaning = self._normal(count) * 0.13, self._between(count, -0.6, 0.6)
        quarter = torch.randint(1, 4, (count,), generator=self._random) * (math.pi / 2)
        return torch.where(kind < 0.4, upright, torch.where(kind < 0.7, leaning, quarter + upright))

    def _laid(self, things: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Things and their stencils, moved to their places."""
        grid = F.affine_grid(place, [len(things), 1, self._side, self._side], align_corners=False)
        laid = F.grid_sample(things, grid, align_corners=False)
        return laid[:, :-1], laid[:, -1:]

    def _ground(self, count: int) -> Tensor:
        which = torch.randint(len(self._grounds), (count,), generator=self._random)
        spare = self._grounds.shape[2] - self._side
        down, across = torch.randint(spare + 1, (2,), generator=self._random).tolist()
        window = slice(down, down + self._side), slice(across, across + self._side)
        grounds = self._grounds[which, :, *window].float() / 255
        return torch.where(self._some(grounds, 0.5), grounds.flip(3), grounds)

    def _any_ground(self, count: int) -> Tensor:
        """Drawn grounds, a quarter of them of one colour."""
        ground = self._ground(count)
        return torch.where(self._some(ground, 0.25), self._bare(count), ground)

    def _bare(self, count: int) -> Tensor:
        """Grounds of one colour: black, white, or any (n, 3, 1, 1)."""
        level = torch.tensor([0.0, 1.0])[torch.randint(2, (count,), generator=self._random)].view(-1, 1, 1, 1)
        colour = torch.rand(count, 3, 1, 1, generator=self._random)
        return torch.where(self._some(level, 0.8), level, colour)

    def _dye(self, count: int) -> Tensor:
        """A colour for each garment, near grey or loud, and for some a pattern."""
        level = self._between(count, 0.08, 1.0).view(-1, 1, 1, 1)
        loud = torch.tensor([0.03, 0.12, 0.4])[torch.randint(3, (count,), generator=self._random)]
        tint = self._normal(count * 3).view(count, 3, 1, 1) * loud.view(-1, 1, 1, 1)
        colour = (level + tint - tint.mean(1, keepdim=True)).clamp(0.03, 1)
        share = (self._between(count, 0.2, 1.0) * self._chance(count, 0.45)).view(-1, 1, 1, 1)
        return colour * (1 - share) + self._ground(count) * share

    def _redyed(self, photos: Tensor, masks: Tensor, share: Tensor) -> Tensor:
        """The garments in other colours, their light and dark kept; of a third, dark becomes light."""
        count, large = len(photos), photos.shape[2]
        light = photos.mean(1, keepdim=True)
        light = torch.where(self._some(light, 0.33), 1 - light, light)
        middle = (light * masks).mean((1, 2, 3), keepdim=True) / share.clamp(min=0.01)
        dye = F.interpolate(self._dye(count), (large, large), mode="bilinear")
        dyed = (dye * (light / middle.clamp(min=0.05)).clamp(max=2.5)).clamp(0, 1)
        return photos * (1 - masks) + dyed * masks

    def _shadow(self, pictures: Tensor, masks: Tensor) -> Tensor:
        """Darken the pictures beside the masks, all to the same side."""
        across, down = torch.randint(-3, 4, (2,), generator=self._random).tolist()
        dark = F.avg_pool2d(F.pad(masks.roll((down, across), (2, 3)), (3, 3, 3, 3), mode="replicate"), 7, 1)
        depth = self._between(len(pictures), -0.2, 0.6).clamp(min=0).view(-1, 1, 1, 1)
        return pictures * (1 - dark * depth)

    def _lose(self, pictures: Tensor) -> Tensor:
        """Cover a patch of a quarter of the pictures with one colour: a hand, a bag, the edge of a door."""
        count, side = len(pictures), pictures.shape[2]
        at = torch.arange(side)
        height, width = self._between(count, 0.1, 0.4) * side, self._between(count, 0.1, 0.4) * side
        top, left = self._between(count, -0.1, 0.9) * side, self._between(count, -0.1, 0.9) * side
        inside = _within(at, top, height)[:, None, :, None] & _within(at, left, width)[:, None, None, :]
        inside &= self._some(pictures, 0.25)
        return torch.where(inside, torch.rand(count, 3, 1, 1, generator=self._random), pictures)

    def _between(self, count: int, low: float, high: float) -> Tensor:
        return torch.rand(count, generator=self._random) * (high - low) + low

    def _normal(self, count: int) -> Tensor:
        return torch.randn(count, generator=self._random)

    def _chance(self, count: int, share: float) -> Tensor:
        return torch.rand(count, generator=self._random) < share

    def _some(self, pictures: Tensor, share: float) -> Tensor:
        """Which of the pictures are among this share of them."""
        return self._chance(len(pictures), share).view(-1, 1, 1, 1)


def enlarged(garments: Tensor, side: int) -> Tensor:
    """Pictures of Fashion-MNIST (n, 28, 28; 0 to 1) as `read_picture` enlarges them."""
    large = F.interpolate(garments[:, None], (side, side), mode="bicubic", antialias=True)
    return large.clamp(0, 1).expand(-1, 3, -1, -1)


def _cut_out(garments: Tensor) -> tuple[Tensor, Tensor]:
    """The relief of each garment (its light and dark, around 1) and its stencil."""
    stencil = (garments[:, None] > 0.04).float()
    stencil = -F.max_pool2d(-F.max_pool2d(stencil, 3, 1, 1), 3, 1, 1)  # small holes are dark buttons
    bright = torch.where(stencil > 0, garments[:, None], 0.0).flatten(1).quantile(0.9, 1).clamp(min=0.2)
    relief = (garments[:, None] / bright.view(-1, 1, 1, 1)).clamp(0.3, 1.1)
    # Beyond the edge the relief goes on, so that enlarging draws no dark rim.
    beyond = F.max_pool2d(relief * stencil, 3, 1, 1)
    return torch.where(stencil > 0, relief, beyond), stencil


def _crisp(stencils: Tensor) -> Tensor:
    """Stencils that were blurred by enlarging, with sharper edges."""
    return ((stencils - 0.5) * 5 + 0.5).clamp(0, 1)


def _rim(pictures: Tensor) -> Tensor:
    """The usual colour of the outermost pixels (n, 3, 1, 1)."""
    rows, columns = pictures[:, :, [0, -1]], pictures[:, :, :, [0, -1]]
    return torch.cat([rows.flatten(2), columns.flatten(2)], 2).median(2).values[..., None, None]


def _within(at: Tensor, start: Tensor, length: Tensor) -> Tensor:
    return (at >= start[:, None]) & (at < (start + length)[:, None])
