"""What garments are made of: cloth that hangs in folds, patterns, and the parts that tops share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .brushes import (
    Curve,
    Dice,
    Field,
    Grid,
    box,
    cover,
    ellipse,
    limb,
    line,
    melt,
    mix,
    noise,
    ramp,
    smooth,
    wave,
    when,
)


@dataclass
class Drawing:
    """A garment before it has colours."""

    edge: Field  # signed distance to its outline, negative inside
    light: Field  # how much light its cloth gives back, 1 where it lies flat
    second: Field  # share of its second colour, 0 to 1


@dataclass
class Top:
    """What all tops have: a body, two sleeves and a neck, before trimmings."""

    drawing: Drawing
    across: Field  # distance from the middle, positive on both sides
    down: Field  # 0 at the shoulders, 1 at the hem
    neck: Field  # distance to the edge of the neck opening, positive on the cloth
    arm: Field  # share of each pixel that lies on a sleeve
    cuff: Field  # distance from the end of the sleeve
    top: Field
    hem: Field


def make_top(
    grid: Grid,
    dice: Dice,
    *,
    height: Field,
    widths: tuple[Field, Field, Field, Field],
    slope: Field,
    sleeve: Field,
    fall: Field,
    radii: tuple[Field, Field],
    neck: tuple[Field, Field],
    pointed: Field,
    waist: float = 0.58,
    tail: Field | None = None,
) -> Top:
    """A body with the half widths of shoulder, chest, waist and hem, two sleeves and a neck opening.

    `sleeve` is the length of a sleeve (none below 0.06), `fall` its angle as the tangent of the direction,
    `neck` half the opening's width and its depth, `tail` how far the hem curves up at the sides.
    """
    pixel = grid.pixel
    top = -height / 2
    u = np.abs(grid.u)
    down = (grid.v - top) / height
    shoulder = widths[0]
    outline, tilt = Curve((0.0, 0.25, waist, 1.0), widths)(down)
    side = (u - outline) * tilt
    hem = top + height - grid.v
    if tail is not None:
        hem = hem - tail * u * u
    body = np.maximum(side, np.maximum(top + slope * u - grid.v, -hem))
    steep = np.sqrt(1 + fall * fall)
    way = (1 / steep, fall / steep)
    # The round start of a sleeve makes the shoulder.
    at = shoulder - 0.5 * radii[0]
    start = (at, top + slope * at + 0.96 * radii[0] * np.sqrt(1 + slope * slope))
    arm, along, across = limb(u, grid.v, start, way, np.maximum(sleeve, 0.06), radii)
    worn = when(sleeve > 0.06)
    arm = arm + 4 * (1 - worn)
    armhole = ellipse(u - shoulder - 0.1, grid.v - top - slope * shoulder - 0.12, 0.16, 0.3)
    edge = melt(np.maximum(body, -armhole - 4 * worn), arm, 0.05)
    # The neck: a round or pointed hole whose back shows the inside of the cloth, dark.
    wide, deep = neck
    below = np.maximum(grid.v - top, 0) / deep
    beside = u / wide
    round_hole = np.sqrt(beside * beside + below * below)
    hole = (mix(round_hole, beside + below, pointed) - 1) * np.minimum(wide, deep)
    back = ellipse(grid.u, grid.v - top, wide, 0.25 * deep + 0.02)
    edge = np.maximum(edge, -np.maximum(back, hole))
    inside = cover(hole, pixel)
    # Light: body and sleeves are round, and a seam joins them.
    s = u / (outline + 0.02)
    round_body = 1 - 0.22 * s * s * s * s - 0.08 * grid.u
    on_arm = cover(arm, pixel) * smooth(np.maximum(side / 0.04 + 1, (along - 0.12) * 6))
    light = mix(round_body, 1 - 0.26 * across * across, on_arm)
    light *= 1 - 0.4 * line(side, 0.025, pixel) * cover(arm, pixel) * (1 - smooth(along * 6 - 1))
    light *= 1 - 0.5 * line(arm, 0.035, pixel) * cover(body, pixel) * smooth(along * 8 - 0.6)
    light *= 1 - 0.6 * inside
    drawing = Drawing(edge, light, np.zeros_like(light))
    hang(drawing, grid, dice)
    return Top(drawing, u, down, hole, on_arm, (1 - along) * sleeve, top, hem)


def hang(drawing: Drawing, grid: Grid, dice: Dice) -> None:
    """Let the cloth hang: soft folds that run down it, and a fine weave where there is room to see it."""
    across, along = dice.between(1.2, 2.6), dice.between(0.4, 1.1)
    lean, shift = dice.between(-0.5, 0.5), dice.between(0, 1)
    bent = grid.u * across + grid.v * lean + 0.3 * wave(grid.v * along + shift)
    folds = wave(bent + shift) * (0.6 + 0.4 * wave(grid.v * along - 0.7 * grid.u + 3 * shift))
    drawing.light *= 1 + folds * dice.between(0.02, 0.14)
    fine = ramp(2.5 - 350 * grid.pixel) * dice.between(0.0, 0.06)
    if fine.any():
        weave = wave((grid.u + grid.v) * 30) * wave((grid.u - grid.v) * 30)
        drawing.light *= 1 + weave * fine


def trim(top: Top, grid: Grid, dice: Dice, *, neck: Field, cuff: Field, hem: Field) -> None:
    """Borders of these widths, each set off by a seam and sometimes in the second colour."""
    drawing, pixel = top.drawing, grid.pixel
    coloured = dice.chance(0.3)
    edges = (
        (top.neck - neck, neck, 1 - top.arm),
        (top.hem - hem, hem, 1 - top.arm),
        (top.cuff - cuff, cuff, top.arm),
    )
    for distance, width, where in edges:
        there = ramp(width * 50) * where
        drawing.light *= 1 - 0.4 * line(distance, 0.02, pixel) * there
        border = cover(distance, pixel) * there * when(top.neck > 0)
        drawing.second = np.maximum(drawing.second, border * coloured)


def add_roll_neck(top: Top, grid: Grid, worn: Field) -> None:
    """Fill the neck with a turned-down collar where `worn` is 1."""
    collar = box(grid.u, grid.v - top.top - 0.02, 0.19, 0.09, 0.05)
    shows = cover(collar, grid.pixel) * worn
    drawing = top.drawing
    drawing.edge = np.minimum(drawing.edge, collar + 4 * (1 - worn))
    closed = np.maximum(shows, cover(top.neck, grid.pixel) * worn)
    drawing.light = mix(drawing.light, 0.95 - 0.1 * wave(grid.u * 13), closed)
    drawing.light *= 1 - 0.4 * line(collar, 0.03, grid.pixel) * worn


def add_buttons(
    top: Top, grid: Grid, dice: Dice, *, beside: Field, first: Field | float, last: float, size: float
) -> None:
    """A row of buttons on the front, `beside` the middle (a double row where that is not 0)."""
    count = dice.between(5, 8)
    place = (top.down - first) * count
    near = place - np.floor(place) - 0.5
    row = ellipse(top.across - beside, near * 1.85 / count, size, size)
    button = cover(row, grid.pixel) * when((top.down > first) & (top.down < last))
    tone = dice.one_of((-0.8, -0.8, -0.8, 0.4))
    top.drawing.light *= 1 + button * tone * (1 - top.arm) * np.minimum(1, 2.6 * size / grid.pixel)


def add_pockets(top: Top, grid: Grid, down: Field | float, size: Field, there: Field) -> None:
    """A pocket with a flap on both sides of the front, where `there` is 1."""
    pocket = box(top.across - 0.25, (top.down - down) * 1.85, size, size, 0.02)
    drawing = top.drawing
    drawing.light *= 1 - 0.4 * line(pocket, 0.022, grid.pixel) * there * (1 - top.arm)
    flap = cover(np.maximum(pocket, (top.down - down) * 1.85 + 0.4 * size), grid.pixel)
    drawing.light *= 1 - 0.15 * flap * there * (1 - top.arm)


def add_print(drawing: Drawing, top: Top, grid: Grid, dice: Dice) -> None:
    """A badge on the chest: a disc, a bar or a block, broken up as a drawing or lettering would be."""
    u, v = grid.u, grid.v - top.top - dice.between(0.55, 0.8)
    wide, high = dice.between(0.14, 0.32), dice.between(0.06, 0.28)
    shape = mix(box(u, v, wide, high, 0.03), ellipse(u, v, wide, wide), dice.chance(0.4))
    bent = 0.5 * wave(u * dice.between(2, 6) + dice.between(0, 1))
    lines = 0.5 + 0.5 * wave(v * dice.between(0, 9) + bent)
    badge = cover(shape, grid.pixel) * (0.45 + 0.55 * lines) * dice.chance(0.4)
    drawing.second = np.maximum(drawing.second, badge)


def add_pattern(drawing: Drawing, grid: Grid, dice: Dice, likely: float) -> None:
    """Stripes across, stripes down, checks, dots or blotches in the second colour, or nothing."""
    kind = dice.one_of((0, 0, 1, 2, 3, 4))
    there = dice.chance(likely)
    frequency, share = dice.between(2.2, 6.5), dice.between(0.3, 0.7)
    shift, strength = dice.between(0, 1), dice.between(0.5, 1)
    for number in range(5):
        rows = np.flatnonzero((there * when(kind == number))[:, 0, 0])
        if not len(rows):
            continue
        u, v, pixel = grid.u[rows], grid.v[rows], grid.pixel[rows]
        f, s, level = frequency[rows], shift[rows], 2 * share[rows] - 1
        gain = np.minimum(0.35 / (f * pixel), 4)
        if number == 4:
            hills = noise(grid, u * 1.6 * f + s * 60, v * 1.6 * f + 9)
            pattern = ramp(0.5 + (2 * hills - 1 + level) * 3)
        else:
            across = ramp(0.5 + (wave(v * f + s) + level) * gain)
            down = ramp(0.5 + (wave(u * f + s) + level) * gain)
            pattern = (across, down, 0.55 * across + 0.45 * down, across * down)[number]
        drawing.second[rows] = np.maximum(drawing.second[rows], pattern * strength[rows])
