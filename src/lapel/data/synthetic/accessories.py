"""The other drawn garments: sandal, sneaker and ankle boot, seen from the side with the toe left, and bag."""

from __future__ import annotations

import numpy as np

from .brushes import (
    Curve,
    Dice,
    Field,
    Grid,
    box,
    cover,
    ellipse,
    line,
    melt,
    mix,
    ramp,
    smooth,
    wave,
    when,
)
from .cloth import Drawing, add_pattern, hang


def sandal(grid: Grid, dice: Dice) -> Drawing:
    """A sandal: a bare sole, flat, wedged or on a heel, held by a few straps with nothing between."""
    pixel, u, v = grid.pixel, grid.u, grid.v
    raised = dice.chance(0.45)
    lift = mix(dice.between(0.0, 0.1), dice.between(0.3, 0.8), raised)
    ground = 0.3 + 0.5 * lift
    thick = dice.between(0.07, 0.15)
    bed, tilt = _bed(grid, ground - thick, lift)
    sole = np.maximum(np.maximum(bed - v, v - bed - thick) * tilt, np.abs(u) - 0.92)
    wedge = dice.chance(0.35)
    heel = _heel(grid, bed, ground, dice.between(0.05, 0.1) + 0.9 * wedge, dice.between(0.03, 0.09), wedge)
    under = np.minimum(sole, heel + 4 * when(lift < 0.12))
    ankle = np.maximum(dice.chance(0.55), raised * dice.chance(0.7))
    tall = dice.between(0.38, 0.62)
    straps = _straps(grid, dice, bed, ankle, tall)
    on_strap = cover(straps, pixel)
    light = mix(1 - 0.4 * smooth((v - bed) / thick), 0.75 + 0.3 * smooth(-straps / 0.05), on_strap)
    light *= 1 - 0.4 * line(bed - v, 0.03, pixel) * on_strap
    # The buckle of the ankle strap.
    buckle = np.abs(box(u - 0.52, v - bed + tall, 0.05, 0.05, 0.015)) - 0.015
    light += 0.5 * cover(buckle, pixel) * ankle
    return Drawing(np.minimum(under, straps), light, (1 - on_strap) * dice.chance(0.6))


def sneaker(grid: Grid, dice: Dice) -> Drawing:
    """A sneaker: low, a thick pale sole that curves up at the toe, laces, stripes on the side."""
    pixel, u, v = grid.pixel, grid.u, grid.v
    collar = dice.between(0.0, 0.14)
    toe = dice.between(0.0, 0.1)
    top, tilt = Curve(
        (-0.95, -0.9, -0.78, -0.58, -0.35, -0.02, 0.12, 0.42, 0.74, 0.9),
        (
            0.36,
            0.16 - toe,
            0.07 - toe,
            0.02 - toe,
            -0.05 - toe,
            -0.27 - 0.5 * collar,
            -0.35 - collar,
            -0.22 - collar,
            -0.31 - collar,
            -0.3 - collar,
        ),
    )(u)
    ground = dice.between(0.36, 0.42)
    thick = dice.between(0.11, 0.19)
    spring = dice.between(0.1, 0.35)
    bottom = ground - spring * np.maximum(-u - 0.55, 0) * ramp(-u) - 0.15 * np.maximum(u - 0.7, 0)
    # Where the toe falls steeply, the tilted distance would stay small, and dark in a shadow, far above it.
    tilt = np.maximum(tilt, 0.5)
    # The heel leans out a little, and its upper corner is round.
    heel_edge = u - 0.86 + 0.05 * wave(v * 0.9 + 0.1)
    upper = np.maximum(_round_intersection((top - v) * tilt, heel_edge, 0.06), v - bottom + 0.5 * thick)
    seam = bottom - thick - 0.05 * ramp((u - 0.2) * 1.5) - v
    sole = _round_intersection(_round_intersection(v - bottom, seam, 0.05), np.abs(u) - 0.93, 0.08)
    edge = melt(upper, sole, 0.02)
    light: Field = 0.72 + 0.3 * smooth((v - top) * 3.2) * (1 - 0.25 * ramp((v - 0.1) * 2.5))
    on_sole = cover(sole, pixel)
    # A padded collar around the opening.
    padded = line(np.maximum(v - top - 0.07, 0.17 - u), 0.03, pixel) * cover(0.14 - u, pixel)
    light *= 1 - 0.35 * padded
    second = np.zeros_like(light)
    # Stripes on the side, slanting with the foot.
    bars = wave((u + 0.55 * v) * dice.between(3.2, 6) + dice.between(0, 1))
    side = np.maximum(
        np.abs(u - dice.between(-0.05, 0.2)) - dice.between(0.12, 0.32), np.maximum(top + 0.16 - v, -seam)
    )
    stripes = cover(side, pixel) * ramp(0.5 + 2.5 * bars) * dice.chance(0.6)
    cap = cover(u + dice.between(0.5, 0.68) + 0.3 * v, pixel) * dice.chance(0.45)
    heel = cover(dice.between(0.62, 0.74) - u, pixel) * dice.chance(0.45)
    second = np.maximum(np.maximum(stripes, heel), cap)
    light *= 1 - 0.3 * line(u + 0.52 + 0.3 * v, 0.02, pixel) - 0.3 * line(u - 0.66 - 0.1 * v, 0.02, pixel)
    # Laces lie across the slope between toe and tongue.
    slope = v - top
    laced = np.maximum(np.maximum(-0.42 - u, u - 0.06), slope - 0.16)
    lace = ramp(0.5 + 1.6 * wave((u * 0.9 - 0.45 * v) * 10.5)) * cover(laced, pixel)
    light = light * (1 - 0.45 * cover(laced, pixel)) + 0.62 * lace * dice.between(0.5, 1)
    pale = dice.chance(0.75)
    light = mix(light, 1.0 - 0.25 * ramp((v - bottom + 0.045) * 30), on_sole)
    light *= 1 - 0.6 * line(seam, 0.035, pixel) * cover(edge, pixel)
    second = mix(second, np.ones_like(second) * pale, on_sole)
    drawing = Drawing(edge, light, second)
    hang(drawing, grid, dice)
    return drawing


def ankle_boot(grid: Grid, dice: Dice) -> Drawing:
    """An ankle boot: a shaft that closes above the ankle, on a flat sole, a block or a high heel."""
    pixel, u, v = grid.pixel, grid.u, grid.v
    lift = mix(dice.between(0.04, 0.2), dice.between(0.3, 0.55), dice.chance(0.4))
    ground = dice.between(0.74, 0.86)
    thick = dice.between(0.05, 0.12)
    rise = dice.between(-0.86, -0.6)
    wide = dice.between(0.0, 0.1)
    toe = dice.between(-0.9, -0.8)
    low = ground - thick
    front, tilt = Curve(
        (-0.9, -0.3, 0.05, 0.25, 0.42, 0.6, 0.8),
        (-0.08 - wide, -0.05 - wide, -0.14 - wide, -0.38, -0.68, toe, toe),
    )(v + 0.67 - low)
    back = 0.72 + 0.08 * ramp((v - 0.1) * 2) - 0.06 * wave(v * 0.6 + 0.2)
    bed, bed_tilt = _bed(grid, low, lift)
    upper = np.maximum(np.maximum((front - u) * tilt, u - back), (v - bed) * bed_tilt)
    cut = rise + dice.between(-0.15, 0.2) * (u - 0.3)
    upper = np.maximum(upper, cut - v)
    sole = np.maximum(
        np.maximum(bed - v, v - bed - thick) * bed_tilt, np.maximum(toe - 0.02 - u, u - back - 0.02)
    )
    slim = dice.between(0.06, 0.24)
    heel = _heel(grid, bed, ground, slim, slim * dice.between(0.4, 1), 0 * slim)
    edge = np.minimum(np.minimum(upper, sole), heel)
    ankle = 0.5 * (front + back)
    s = np.minimum(np.abs(u - ankle) / (0.5 * (back - front) + 0.02), 1)
    light = 1 - 0.3 * s * s + 0.1 * ramp(-u)
    crease = wave(v * 2.6 + u * 1.4 + dice.between(0, 1)) * smooth(1 - np.abs(v - 0.05) * 2.2)
    light *= 1 + crease * dice.between(0.02, 0.14)
    second = np.zeros_like(light)
    # How it closes: an elastic panel, a zip, laces, or a strap with a buckle.
    way = dice.one_of((0, 1, 2, 3))
    middle = 0.36 + 0.1 * v
    panel = np.maximum(np.abs(u - middle) - 0.13 - 0.1 * (-v) * 0.5, np.maximum(v - 0.12, cut + 0.1 - v))
    elastic = cover(panel, pixel) * when(way == 0)
    light *= 1 - elastic * (0.35 + 0.12 * wave(u * 12))
    zipped = line(u - middle, 0.05, pixel) * cover(v - 0.4, pixel) * when(way == 1)
    light *= 1 - 0.5 * zipped
    laced = np.maximum(np.maximum(u - front - 0.26, v - 0.22), rise + 0.1 - v)
    lace = cover(laced, pixel) * when(way == 2)
    light = light * (1 - 0.35 * lace) + 0.5 * lace * ramp(0.5 + 2 * wave(v * 5.5 + u * 1.2))
    strap = np.abs(v - 0.02 - 0.25 * (u - 0.4)) - 0.06
    strapped = cover(strap, pixel) * when(way == 3)
    light *= 1 - 0.5 * line(strap, 0.03, pixel) * when(way == 3)
    buckle = np.abs(box(u - 0.42, v - 0.03, 0.08, 0.09, 0.02)) - 0.02
    light += 0.6 * cover(buckle, pixel) * when(way == 3)
    second = np.maximum(second, strapped * dice.chance(0.4))
    light *= 1 - 0.4 * line(v - cut - 0.06, 0.02, pixel)
    stitch = line(u + 0.3 + 0.6 * (v - 0.3), 0.02, pixel) * dice.chance(0.4)
    light *= 1 - 0.35 * stitch
    # Sole and heel are darker, or in the second colour.
    under = np.maximum(cover(sole, pixel), cover(heel, pixel) * cover(bed - v, pixel))
    light = mix(light, 0.62 - 0.12 * ramp((v - low) * 8), under)
    second = np.maximum(second, under * dice.chance(0.5))
    light *= 1 - 0.4 * line(bed - v, 0.025, pixel)
    drawing = Drawing(edge, light, second)
    hang(drawing, grid, dice)
    return drawing


def bag(grid: Grid, dice: Dice) -> Drawing:
    """A bag: tote, satchel or clutch; a body with flap, pocket or clasp, and handles or a long strap."""
    pixel, u, v = grid.pixel, grid.u, grid.v
    carried = dice.one_of((0, 1, 1, 2, 2, 3))  # nothing, two handles, one handle, a long strap
    high = dice.between(0.4, 0.68) * (1 - 0.12 * when(carried == 3))
    centre = (0.86 - high) * when(carried != 0)
    wide = dice.between(0.55, 0.9)
    taper = dice.between(-0.25, 0.3) * when(carried != 0)
    round_ = dice.between(0.03, 0.22)
    y = v - centre
    body = box(u / (1 + taper * 0.5 * y / high), y, wide * (1 - 0.12 * np.abs(taper)), high, round_)
    top = centre - high
    room = top + 0.92
    rx = mix(dice.between(0.22, 0.42), wide * dice.between(0.75, 0.95), when(carried == 3))
    ry = np.minimum(room, mix(dice.between(0.35, 0.6), dice.between(0.8, 1.2), when(carried == 3)))
    thick = mix(dice.between(0.04, 0.075), dice.between(0.025, 0.05), when(carried == 3))
    handle = np.maximum(np.abs(ellipse(u, v - top, rx, ry)) - thick, v - top - 0.12)
    behind = np.maximum(np.abs(ellipse(u - 0.07, v - top, rx, ry * 0.9)) - thick, v - top - 0.02)
    handle = handle + 4 * when(carried == 0)
    behind = behind + 4 * when(carried != 1)
    edge = np.minimum(np.minimum(body, handle), behind)
    s = u / wide
    light = 1.02 - 0.2 * s * s * s * s - 0.18 * smooth((y / high - 0.3) * 1.2) - 0.07 * u
    light *= 1 - 0.35 * smooth(1 + body / 0.07) * cover(body, pixel)
    printed = Drawing(edge, light, np.zeros_like(light))
    add_pattern(printed, grid, dice, likely=0.25)
    second = printed.second
    # A flap closed by a clasp, a zip along the top, a pocket, or a bare front.
    front = dice.one_of((0, 0, 1, 2, 3))
    reach = dice.between(-0.1, 0.45)
    flap = y - high * (reach - dice.between(0.0, 0.5) * s * s)
    flapped = when((front == 0) | ((front == 3) & (carried == 0))) * cover(body, pixel)
    light *= 1 + 0.1 * flapped * cover(flap, pixel)
    light *= 1 - 0.6 * line(flap - 0.01, 0.04, pixel) * flapped
    second = np.maximum(second, cover(flap, pixel) * flapped * dice.chance(0.35))
    clasp = box(u, flap + 0.02, dice.between(0.05, 0.1), dice.between(0.05, 0.1), 0.02)
    light += (0.55 * cover(clasp, pixel) - 0.75 * line(clasp, 0.03, pixel)) * flapped
    zipped = line(y + 0.72 * high, 0.05, pixel) * cover(np.abs(u) - 0.85 * wide, pixel) * when(front == 1)
    light *= 1 - 0.5 * zipped
    pocket = box(u, y - 0.3 * high, 0.6 * wide, 0.45 * high, 0.06)
    light *= 1 - 0.5 * line(pocket, 0.035, pixel) * when(front == 2)
    light *= 1 + 0.08 * cover(pocket, pixel) * when(front == 2)
    strap = line(np.abs(u) - rx, 0.09, pixel) * cover(body, pixel) * when(carried == 1) * when(front != 0)
    light *= 1 - 0.25 * strap
    corners = cover(1.15 - np.abs(s) - 0.5 * y / high, pixel) * dice.chance(0.15) * cover(body, pixel)
    second = np.maximum(second, corners)
    # Handles are round; the one behind lies in shade.
    on_handle = cover(handle, pixel) * (1 - cover(body + 0.1, pixel))
    light = mix(light, 1.05 - 0.5 * smooth(1 + handle / thick), on_handle)
    light = mix(light, 0.6 + 0 * light, cover(behind, pixel) * (1 - on_handle) * (1 - cover(body, pixel)))
    second = np.maximum(second * (1 - on_handle), on_handle * dice.chance(0.4))
    drawing = Drawing(edge, light, second)
    hang(drawing, grid, dice)
    return drawing


def _straps(grid: Grid, dice: Dice, bed: Field, ankle: Field, tall: Field) -> Field:
    """The distance to a sandal's straps; where `ankle` is 1, one goes around it, `tall` above the bed."""
    u, v = grid.u, grid.v
    # The straps are what they cover of a foot that is not there: from the toes up to the ankle.
    above, slope = Curve((-0.9, -0.7, -0.3, 0.1, 0.4, 0.6), (0.08, 0.24, 0.34, 0.48, 0.8, 1.2))(u)
    top = bed - above * dice.between(0.8, 1)
    foot = np.maximum((top - v) * slope, np.maximum(v - bed - 0.02, u - 0.84))
    half = dice.between(0.045, 0.1)
    lean = dice.between(-0.5, 0.9)
    # Without a strap around the ankle, one band alone would not read as a sandal.
    count = np.maximum(dice.one_of((1, 2, 2, 3, 3)), 2 - ankle)
    first, spread = dice.between(-0.62, -0.42), dice.between(0.22, 0.32)
    bands = np.abs(u - first + lean * (v - bed)) - half * dice.between(1, 2.2)
    for number in (1, 2):
        band = np.abs(u - first - number * spread + lean * (v - bed)) - half
        bands = np.minimum(bands, band + 4 * when(count <= number))
    # Straps that cross the other way, or that run along the instep.
    crossed = np.abs(u - first - 0.1 - 0.8 * (v - bed)) - half
    bands = np.minimum(bands, crossed + 4 * (1 - dice.chance(0.45)))
    bands = np.maximum(bands, np.maximum(u - 0.2, bed - 0.44 - v))
    instep = np.maximum(np.abs(v - top - 0.04) * slope - 0.04, np.maximum(first - u, u - 0.45))
    bands = np.minimum(bands, instep + 4 * (1 - ankle * dice.chance(0.5)))
    around = np.abs(v - bed + tall - 0.25 * (u - 0.5)) - half
    counter = np.maximum(0.74 - 0.15 * (bed - v) - u, bed - tall - v)
    slanted = np.maximum(np.abs(u - 0.75 + 0.8 * (bed - v)) - half, bed - tall - v)
    behind = np.minimum(counter, slanted + 4 * (1 - dice.chance(0.35)))
    bands = np.minimum(bands, np.minimum(around, behind) + 4 * (1 - ankle))
    return _round_intersection(foot, bands, 0.04)


def _fasten(grid: Grid, dice: Dice, light: Field, front: Field, cut: Field) -> tuple[Field, Field]:
    """Close a boot by elastic, a zip, laces or a strap: its light, and the share of the second colour."""
    pixel, u, v = grid.pixel, grid.u, grid.v
    way = dice.one_of((0, 1, 2, 3))
    middle = 0.36 + 0.1 * v
    panel = np.maximum(np.abs(u - middle) - 0.13 + 0.05 * v, np.maximum(v - 0.12, cut + 0.1 - v))
    elastic = cover(panel, pixel) * when(way == 0)
    light *= 1 - elastic * (0.35 + 0.12 * wave(u * 12))
    zipped = line(u - middle, 0.05, pixel) * cover(v - 0.4, pixel) * when(way == 1)
    light *= 1 - 0.5 * zipped
    laced = np.maximum(np.maximum(u - front - 0.26, v - 0.22), cut + 0.1 - v)
    lace = cover(laced, pixel) * when(way == 2)
    light = light * (1 - 0.35 * lace) + 0.5 * lace * ramp(0.5 + 2 * wave(v * 5.5 + u * 1.2))
    strap = np.abs(v - 0.02 - 0.25 * (u - 0.4)) - 0.06
    strapped = cover(strap, pixel) * when(way == 3)
    light *= 1 - 0.5 * line(strap, 0.03, pixel) * when(way == 3)
    buckle = np.abs(box(u - 0.42, v - 0.03, 0.08, 0.09, 0.02)) - 0.02
    light += 0.6 * cover(buckle, pixel) * when(way == 3)
    return light, strapped * dice.chance(0.4)


def _bed(grid: Grid, low: Field, lift: Field) -> tuple[Field, Field]:
    """Where the foot stands: level under the toes, raised by `lift` at the heel; and the slope's tilt."""
    t = (grid.u + 0.45) / 0.95
    inside = np.minimum(np.maximum(t, 0), 1)
    slope = lift * 6 * inside * (1 - inside) / 0.95
    return low - lift * smooth(t), 1 / np.sqrt(1 + slope * slope)


def _round_intersection(a: Field, b: Field, radius: float) -> Field:
    """What lies in both shapes, the corner between them rounded."""
    return -melt(-a, -b, 2 * radius)


def _heel(grid: Grid, bed: Field, ground: Field, wide: Field, tip: Field, wedge: Field) -> Field:
    """The distance to a heel from the bed down to the ground, `wide` above and `tip` below (half widths)."""
    down = ramp((grid.v - bed) / np.maximum(ground - bed, 0.05))
    half = mix(mix(wide, tip, down), wide, wedge)
    return np.maximum(np.maximum(np.abs(grid.u - 0.86 + wide) - half, bed - grid.v), grid.v - ground)
