"""The clothes among the drawn garments: T-shirt, trouser, pullover, dress, coat and shirt.

Each function takes the grid and the dice and gives a `Drawing`; the frame is -1 to 1 both ways, and a
garment fills it in its longer direction.
"""

from __future__ import annotations

import numpy as np

from .brushes import Curve, Dice, Grid, cover, line, mix, polygon, ramp, smooth, wave, when
from .cloth import (
    Drawing,
    add_buttons,
    add_pattern,
    add_pockets,
    add_print,
    add_roll_neck,
    hang,
    make_top,
    trim,
)


def tee(grid: Grid, dice: Dice) -> Drawing:
    """A T-shirt or top: short sleeves or none, round or V neck, often a print."""
    bare = dice.chance(0.12)
    top = make_top(
        grid,
        dice,
        height=dice.between(1.65, 1.9),
        widths=(
            mix(dice.between(0.42, 0.56), dice.between(0.32, 0.42), bare),
            dice.between(0.46, 0.62),
            dice.between(0.42, 0.6),
            dice.between(0.46, 0.68),
        ),
        slope=dice.between(0.12, 0.35),
        sleeve=mix(dice.between(0.22, 0.5), dice.between(0.0, 0.05), bare),
        fall=dice.between(0.3, 0.75),
        radii=(dice.between(0.19, 0.24), dice.between(0.15, 0.22)),
        neck=(dice.between(0.17, 0.3), dice.between(0.12, 0.36)),
        pointed=dice.chance(0.3),
    )
    drawing = top.drawing
    trim(
        top,
        grid,
        dice,
        neck=dice.between(0.03, 0.07),
        cuff=dice.between(0.0, 0.1),
        hem=dice.between(0.0, 0.06),
    )
    add_print(drawing, top, grid, dice)
    add_pattern(drawing, grid, dice, likely=0.35)
    return drawing


def pullover(grid: Grid, dice: Dice) -> Drawing:
    """A pullover: closed, long sleeves, knitted, with ribbed cuffs, hem and neck."""
    top = make_top(
        grid,
        dice,
        height=dice.between(1.42, 1.72),
        widths=(
            dice.between(0.42, 0.52),
            dice.between(0.42, 0.52),
            dice.between(0.4, 0.54),
            dice.between(0.36, 0.5),
        ),
        slope=dice.between(0.2, 0.42),
        sleeve=dice.between(1.0, 1.3),
        fall=dice.between(1.6, 3.2),
        radii=(dice.between(0.15, 0.19), dice.between(0.09, 0.13)),
        neck=(dice.between(0.17, 0.26), dice.between(0.08, 0.26)),
        pointed=dice.chance(0.18),
    )
    drawing = top.drawing
    add_roll_neck(top, grid, dice.chance(0.25))
    rib = dice.between(0.09, 0.18)
    trim(top, grid, dice, neck=dice.between(0.07, 0.12), cuff=rib, hem=rib)
    ribbed = np.maximum(
        cover(top.hem - rib, grid.pixel) * (1 - top.arm), cover(top.cuff - rib, grid.pixel) * top.arm
    )
    # Ribs at the hem, cables over the body: both run down the cloth.
    ribs = 0.5 + 0.5 * wave(grid.u * 13)
    drawing.light *= 1 - 0.2 * ribs * ribbed
    knit = wave(grid.u * dice.between(4, 9)) * dice.between(0.0, 0.09)
    drawing.light *= 1 + knit * (1 - ribbed) * ramp(1.4 - 6 * grid.pixel)
    add_pattern(drawing, grid, dice, likely=0.3)
    return drawing


def dress(grid: Grid, dice: Dice) -> Drawing:
    """A dress: long, drawn in at the waist, wider at the hem; with straps, short or long sleeves."""
    kind = dice.one_of((0, 0, 0, 1, 1, 2))
    straps = when(kind == 0)
    shoulder = mix(dice.between(0.24, 0.34), dice.between(0.2, 0.27), straps)
    short = mix(dice.between(0.16, 0.34), dice.between(0.8, 1.0), when(kind == 2))
    bust = dice.between(0.25, 0.33)
    top = make_top(
        grid,
        dice,
        height=dice.between(1.84, 1.94),
        widths=(shoulder, bust, bust * dice.between(0.7, 0.95), dice.between(0.28, 0.64)),
        slope=dice.between(0.1, 0.4),
        sleeve=mix(short, np.zeros_like(short), straps),
        fall=mix(dice.between(0.7, 1.6), dice.between(1.6, 3), when(kind == 2)),
        radii=(dice.between(0.1, 0.14), dice.between(0.07, 0.11)),
        neck=(
            mix(dice.between(0.12, 0.19), shoulder - dice.between(0.05, 0.09), straps),
            mix(dice.between(0.08, 0.24), dice.between(0.2, 0.34), straps),
        ),
        pointed=dice.chance(0.35),
        waist=0.36,
    )
    drawing = top.drawing
    belt = line(top.down - 0.36, dice.between(0.0, 0.045), grid.pixel / 1.9)
    drawing.second = np.maximum(drawing.second, belt * dice.chance(0.5))
    drawing.light *= 1 - 0.25 * line(top.down - 0.36, 0.012, grid.pixel / 1.9)
    # The skirt falls in folds that open towards the hem.
    skirt = smooth((top.down - 0.36) * 2.2)
    fan = grid.u / (0.35 + top.down)
    drawing.light *= 1 + wave(fan * dice.between(4, 8) + dice.between(0, 1)) * skirt * dice.between(
        0.02, 0.16
    )
    trim(
        top,
        grid,
        dice,
        neck=dice.between(0.0, 0.04),
        cuff=dice.between(0.0, 0.05),
        hem=dice.between(0.0, 0.1),
    )
    add_pattern(drawing, grid, dice, likely=0.45)
    return drawing


def coat(grid: Grid, dice: Dice) -> Drawing:
    """A coat: open or buttoned down the middle, with lapels, long sleeves, pockets, often a belt."""
    top = make_top(
        grid,
        dice,
        height=dice.between(1.8, 1.94),
        widths=(
            dice.between(0.38, 0.48),
            dice.between(0.37, 0.46),
            dice.between(0.32, 0.44),
            dice.between(0.38, 0.58),
        ),
        slope=dice.between(0.25, 0.45),
        sleeve=dice.between(1.05, 1.35),
        fall=dice.between(2, 4),
        radii=(dice.between(0.13, 0.17), dice.between(0.09, 0.13)),
        neck=(dice.between(0.14, 0.2), dice.between(0.12, 0.2)),
        pointed=dice.chance(1),
    )
    drawing, down, pixel = top.drawing, top.down, grid.pixel
    # The opening: wide apart showing what is worn below, or a single dark line.
    apart = dice.chance(0.5) * dice.between(0.02, 0.12)
    gap = top.across - mix(apart * 0.4, apart, ramp(down))
    body = 1 - top.arm
    drawing.light *= 1 - 0.75 * body * cover(gap, pixel) * ramp(apart * 40)
    drawing.light *= 1 - 0.6 * body * line(gap, 0.03, pixel)
    # Lapels: two leaves from the neck that narrow towards the first button.
    deep = dice.between(0.3, 0.6)
    share = ramp(down / deep)
    leaf = dice.between(0.2, 0.34) * (1 - share) + 0.01
    lapel = np.maximum(np.maximum(gap - leaf, down - deep), -gap)
    notch = line(np.abs(down - 0.35 * deep) + 0.3 * np.maximum(leaf - gap, 0) - 0.03, 0.02, pixel)
    on_lapel = cover(lapel, pixel) * body
    drawing.light *= 1 + (0.18 - 0.5 * notch) * on_lapel
    drawing.light *= 1 - 0.55 * line(lapel, 0.03, pixel) * body
    drawing.second = np.maximum(drawing.second, on_lapel * dice.chance(0.25))
    double = dice.chance(0.4) * 0.13
    add_buttons(top, grid, dice, beside=apart + 0.06 + double, first=deep + 0.04, last=0.8, size=0.028)
    add_pockets(top, grid, dice.between(0.6, 0.68), dice.between(0.1, 0.14), dice.chance(0.8))
    belt = line(down - 0.5, dice.between(0.03, 0.06), pixel / 1.9) * dice.chance(0.3) * body
    drawing.light *= 1 - 0.35 * belt
    trim(
        top,
        grid,
        dice,
        neck=dice.between(0.0, 0.03),
        cuff=dice.between(0.0, 0.09),
        hem=dice.between(0.0, 0.03),
    )
    add_pattern(drawing, grid, dice, likely=0.2)
    return drawing


def shirt(grid: Grid, dice: Dice) -> Drawing:
    """A shirt: a collar with two points, buttons down a band, long or short sleeves, often checked."""
    short = dice.chance(0.35)
    top = make_top(
        grid,
        dice,
        height=dice.between(1.75, 1.92),
        widths=(
            dice.between(0.4, 0.5),
            dice.between(0.4, 0.5),
            dice.between(0.36, 0.48),
            dice.between(0.38, 0.52),
        ),
        slope=dice.between(0.2, 0.4),
        sleeve=mix(dice.between(1.0, 1.3), dice.between(0.3, 0.5), short),
        fall=mix(dice.between(1.8, 3.6), dice.between(0.5, 1.1), short),
        radii=(dice.between(0.14, 0.19), mix(dice.between(0.1, 0.13), dice.between(0.15, 0.19), short)),
        neck=(dice.between(0.14, 0.18), dice.between(0.16, 0.28)),
        pointed=dice.chance(1),
        tail=dice.between(0.0, 0.45),
    )
    drawing, pixel = top.drawing, grid.pixel
    add_pattern(drawing, grid, dice, likely=0.45)
    body = 1 - top.arm
    width = dice.between(0.04, 0.07)
    band = cover(top.across - width, pixel) * cover(-top.neck, pixel) * body
    drawing.light *= 1 + 0.25 * band
    drawing.light *= 1 - 0.5 * line(top.across - width, 0.03, pixel) * body * cover(-top.neck, pixel)
    add_buttons(top, grid, dice, beside=0 * width, first=0.16, last=0.94, size=0.036)
    add_pockets(top, grid, 0.27, dice.between(0.1, 0.13), dice.chance(0.45))
    trim(top, grid, dice, neck=0 * width, cuff=dice.between(0.06, 0.12) * (1 - short), hem=0 * width)
    # The collar: two leaves that meet in the middle and point down on both sides.
    open_, point, spread = dice.between(0.02, 0.1), dice.between(0.3, 0.4), dice.between(0.2, 0.3)
    v = grid.v - top.top
    leaf = polygon(top.across, v, [(open_, 0.2), (0.1, -0.06), (0.22, -0.01), (spread, point)])
    shows = cover(leaf, pixel)
    drawing.edge = np.minimum(drawing.edge, leaf)
    drawing.second *= 1 - shows * dice.chance(0.5)
    drawing.light = mix(drawing.light, 1.1 + 0 * leaf, shows)
    drawing.light *= 1 - 0.65 * line(leaf, 0.045, pixel)
    return drawing


def trouser(grid: Grid, dice: Dice) -> Drawing:
    """A pair of trousers: a waistband, pockets, and two legs that taper, fall straight or flare."""
    high = dice.between(1.84, 1.94)
    u = np.abs(grid.u)
    down = (grid.v + high / 2) / high
    waist, hips = dice.between(0.25, 0.36), dice.between(0.34, 0.46)
    knee = hips * dice.between(0.78, 1.02) + 0.02
    hem = knee * dice.between(0.75, 1.3)
    outer, tilt = Curve((0, 0.2, 0.6, 1.0), (waist, hips, knee, hem))(down)
    crotch = dice.between(0.27, 0.36)
    # The inner edge starts below zero, so that the legs part at the crotch.
    inner = (down - crotch) * mix(0 * hem, hem * dice.between(0.22, 0.8), smooth((down - crotch) * 14)) / 0.68
    inner = inner + ramp((down - crotch) * 20) * 0.012 - 0.004
    edge = np.maximum((u - outer) * tilt, inner - u)
    edge = np.maximum(edge, np.maximum(-down, down - 1) * high)
    middle, half = 0.5 * (outer + inner), np.maximum(0.5 * (outer - inner), 0.02)
    legs = smooth((down - 0.2) * 5)
    s = mix(u / (outer + 0.02), (u - middle) / half, legs)
    light = 1 - 0.32 * s * s + 0.05 * wave(grid.v * dice.between(3, 7) + grid.u) * dice.between(0, 1)
    light = light * (1 + 0.22 * line(u - middle, 0.03, grid.pixel) * legs * dice.chance(0.35))
    band = dice.between(0.04, 0.07)
    light *= 1 - 0.45 * line(down - band, 0.014, grid.pixel / 1.9)
    light *= 1 - 0.5 * line(grid.u, 0.03, grid.pixel) * cover((crotch - down) * high, grid.pixel)
    fly = line(grid.u - 0.015, 0.025, grid.pixel) * cover((down - crotch) * 1.9, grid.pixel)
    light *= 1 - 0.45 * fly
    pocket = line(u + (down - 0.06) * 0.9 - waist, 0.02, grid.pixel) * cover((down - 0.2) * 1.9, grid.pixel)
    light *= 1 - 0.4 * pocket * dice.chance(0.8)
    drawing = Drawing(edge, light, np.zeros_like(light))
    side = line(u - outer + 0.05, dice.between(0.04, 0.09), grid.pixel) * dice.chance(0.15)
    belt = cover((down - band) * high, grid.pixel) * dice.chance(0.25)
    drawing.second = np.maximum(side, belt)
    hang(drawing, grid, dice)
    add_pattern(drawing, grid, dice, likely=0.2)
    return drawing
