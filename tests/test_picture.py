from __future__ import annotations

import io
import os
import runpy
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import NO_PICTURES, bombs, chunk, encoded, scene, tags
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from lapel.decode import decode, source_name
from lapel.errors import LapelError, PictureError
from lapel.first_frame import first_frame
from lapel.picture import Limits, PictureSpec, read_picture

PLAIN = PictureSpec()
GARMENT = PictureSpec(preparation="garment")


def refusal(source: Any, spec: PictureSpec = PLAIN, limits: Limits | None = None) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(source, spec, limits)
    assert "\n" not in caught.value.message
    return str(caught.value.message)


# What a picture becomes


@pytest.mark.parametrize("spec", [PLAIN, GARMENT])
def test_every_picture_of_fashion_mnist_passes_bit_for_bit(fashion_mnist: Path, spec: PictureSpec) -> None:
    import gzip

    raw = gzip.decompress((fashion_mnist / "t10k-images-idx3-ubyte.gz").read_bytes())
    pictures = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28, 1)
    assert all((read_picture(picture, spec) == picture).all() for picture in pictures)
    for picture in pictures[:20]:
        for mode in ("L", "RGB"):
            png = encoded(Image.fromarray(picture[:, :, 0]).convert(mode))
            assert (read_picture(png, spec) == picture).all()


@pytest.mark.parametrize(("garment", "ground"), [(20, 250), (250, 20), (30, 120), (200, 120)])
def test_the_ground_ends_black_and_the_garment_bright_whichever_was_darker(garment: int, ground: int) -> None:
    picture = read_picture(scene(garment, ground), GARMENT)[:, :, 0]
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    assert (rows[0], rows[-1]) == (0, 27)
    assert (columns[0], columns[-1]) == (7, 20)
    assert picture[:, 8:20].min() > 120
    assert picture[:, :6].max() == 0


def test_black_on_white_is_the_negative_as_in_the_paper() -> None:
    picture = read_picture(scene(55, 255), GARMENT)[:, :, 0]
    assert abs(int(picture[14, 14]) - 200) <= 1


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 60)])
@pytest.mark.parametrize("size", [(28, 28), (60, 90)])
def test_a_photo_all_of_one_colour_shows_nothing(colour: tuple[int, ...], size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(-3, 4, (*size, 3))  # as a lens with its cap on gives
    pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
    assert refusal(pixels, GARMENT) == "array: all of one colour; there is nothing to be seen in it."
    assert read_picture(pixels, PLAIN).shape == PLAIN.shape


def test_two_scratches_that_do_not_meet_are_no_garment() -> None:
    image = np.full((200, 200), 90, np.uint8)
    image[1, :50] = 0
    image[100:150, 198] = 0
    assert np.median(read_picture(image, GARMENT)) == 90


def test_plain_squares_without_stretching() -> None:
    image = Image.new("L", (200, 100), 10)
    image.paste(200, (50, 25, 150, 75))
    picture = read_picture(image, PLAIN)[:, :, 0]
    assert (picture[:7] == 10).all()
    assert (picture[21:] == 10).all()
    assert np.abs(picture[12:16, 10:18].astype(int) - 200).max() <= 4  # bicubic overshoots at an edge


def test_colour_is_kept_where_it_is_asked_for() -> None:
    picture = read_picture(Image.new("RGB", (64, 48), (200, 10, 60)), PictureSpec(size=32, channels=3))
    assert picture.shape == (32, 32, 3)
    assert (picture == (200, 10, 60)).all()


def test_every_source_gives_the_same_picture(tmp_path: Path) -> None:
    image = scene()
    path = tmp_path / "a b.png"
    path.write_bytes(encoded(image))
    for spec in (PLAIN, GARMENT):
        expected = read_picture(path, spec)
        for source in (
            str(path),
            path.read_bytes(),
            image,
            np.asarray(image),
            np.asarray(image.convert("RGBA")),
        ):
            assert (read_picture(source, spec) == expected).all()


# Every kind of file


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_upright(turn: int) -> None:
    upright = Image.new("RGB", (80, 120), (255, 255, 255))
    upright.paste((0, 0, 0), (0, 0, 40, 30))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # PIL's numbers of the opposite turns
    stored = upright if turn == 1 else upright.transpose(Image.Transpose(back[turn]))
    exif = Image.Exif()
    exif[0x0112] = turn
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        data = encoded(stored, kind, exif=exif)
        expected = read_picture(upright, PLAIN).astype(int)
        assert np.abs(read_picture(data, PLAIN) - expected).max() < 40, kind


def modes() -> list[tuple[str, bytes, tuple[int, int]]]:
    """Files of a flat picture, and between which greys it should come out."""
    grey = Image.new("L", (40, 40), 100)
    sixteen = Image.fromarray(np.full((40, 40), 100 * 257, dtype=np.uint16))
    palette = grey.convert("RGB").quantize(4)
    see_through = Image.new("RGBA", (40, 40), (100, 100, 100, 0))
    see_through.paste((100, 100, 100, 255), (0, 0, 40, 40))
    floats = np.full((40, 40), 0.5, dtype=np.float32)
    floats[0, 0], floats[0, 1], floats[1, 0] = 0, 1, np.nan
    two_frames = encoded(grey, "GIF", save_all=True, append_images=[Image.new("L", (40, 40), 250)])
    return [
        ("16-bit PNG", encoded(sixteen), (100, 100)),
        ("16-bit TIFF", encoded(sixteen, "TIFF"), (100, 100)),
        ("floating-point TIFF", encoded(Image.fromarray(floats), "TIFF"), (127, 128)),
        ("palette", encoded(palette), (98, 102)),
        ("palette with a clear colour", encoded(palette, transparency=3), (98, 102)),
        ("grey and alpha", encoded(grey.convert("LA")), (100, 100)),
        ("alpha", encoded(see_through), (100, 100)),
        ("CMYK", encoded(grey.convert("RGB").convert("CMYK"), "JPEG"), (95, 105)),
        ("one bit", encoded(Image.new("1", (40, 40), 1)), (255, 255)),
        ("first frame", two_frames, (98, 102)),
        ("WebP", encoded(grey.convert("RGB"), "WEBP"), (97, 103)),
        ("BMP", encoded(grey, "BMP"), (100, 100)),
    ]


@pytest.mark.parametrize(
    ("data", "greys"), [pytest.param(data, greys, id=name) for name, data, greys in modes()]
)
def test_every_mode_is_read(data: bytes, greys: tuple[int, int]) -> None:
    middle = read_picture(data, PLAIN)[10:18, 10:18]
    assert greys[0] <= middle.min() <= middle.max() <= greys[1]


@pytest.mark.parametrize("colour", [0, 255])
def test_a_cut_out_garment_stands_out_from_the_ground_it_is_laid_on(colour: int) -> None:
    image = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    image.paste((colour, colour, colour, 255), (30, 20, 70, 80))
    picture = read_picture(image, GARMENT)[:, :, 0]
    assert picture[14, 14] == 255
    assert picture[14, 1] == 0


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("size", "side", "decoded"),
    [
        ((400, 533), 64, (50, 67)),
        ((533, 400), 64, (67, 50)),
        ((500, 500), 64, (72, 72)),
        ((2400, 1600), 112, (115, 77)),
        ((60, 40), 64, (60, 40)),
    ],
)
def test_the_longer_side_keeps_the_pixels_that_are_needed(
    form: str, size: tuple[int, int], side: int, decoded: tuple[int, int]
) -> None:
    image = decode(encoded(Image.new("RGB", size, (9, 9, 9)), form), Limits(), side=side, longest=28)
    # JPEG is decoded at an eighth, a quarter or a half, which may leave up to twice of what is needed.
    assert max(image.size) >= max(decoded) if form == "JPEG" else image.size == decoded
    assert max(image.size) < 2 * side


def test_a_picture_given_by_its_owner_is_left_as_it_was() -> None:
    image = Image.open(io.BytesIO(encoded(Image.new("RGB", (640, 640), (9, 9, 9)), "JPEG")))
    read_picture(image, PLAIN)
    assert image.size == (640, 640)
    assert image.mode == "RGB"


# Every way to be wrong


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.jpg").endswith("none.jpg: no such file.")
    assert refusal(tmp_path).endswith("a folder, not a picture.")
    link = tmp_path / "link.png"
    link.symlink_to(tmp_path / "gone.png")
    assert "link.png: a broken link" in refusal(link)
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    assert refusal(pipe).endswith("not a regular file.")
    assert "cannot be read" in refusal("a\0b.png")
    assert refusal(tmp_path / ("x" * 300)).endswith("cannot be read (File name too long).")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "closed.png"
    path.write_bytes(encoded(scene()))

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert refusal(path).endswith("closed.png: permission denied.")


@pytest.mark.parametrize(("data", "words"), NO_PICTURES)
def test_what_is_no_picture_is_told(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert words in message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_a_file_that_is_cut_off(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    assert "damaged or cut off" in refusal(data[: len(data) // 2])


def test_what_a_decoder_says_is_fit_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image) -> None:
        raise OSError("no box\n'c\x1b[31m'")

    monkeypatch.setattr(PngImageFile, "load", fail)
    message = refusal(encoded(Image.new("L", (40, 40))))
    assert message == r"bytes: the picture is damaged or cut off (no box 'c\x1b[31m')."


@pytest.mark.parametrize("size", [(1, 1), (3, 100), (40_000, 1)])
def test_too_small(size: tuple[int, int]) -> None:
    assert "each side must have at least 4" in refusal(encoded(Image.new("L", size)))


def test_too_long_and_narrow() -> None:
    assert "less than one pixel wide at 28×28" in refusal(encoded(Image.new("L", (4000, 10))))


def test_limits_are_met_before_the_work(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(encoded(scene()))
    assert "at most 10 are read" in refusal(path, limits=Limits(max_bytes=10))
    assert "at most 10 are read" in refusal(path.read_bytes(), limits=Limits(max_bytes=10))
    assert "300×400 pixels; at most 1,000" in refusal(path, limits=Limits(max_pixels=1000))
    assert "at most 1,000" in refusal(scene(), limits=Limits(max_pixels=1000))


def test_a_bomb_is_refused_by_its_header() -> None:
    data = bytearray(encoded(Image.new("L", (64, 64))))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    assert "60,000×60,000 pixels; at most 100,000,000" in refusal(bytes(data))


def test_a_picture_within_the_limits_brings_no_warning_of_pillow() -> None:
    # 95 million pixels: Pillow alone warns from 89 million on, and warnings are errors here.
    data = encoded(Image.new("1", (9_500, 10_000)))
    assert not read_picture(data, PLAIN).any()


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((28, 28)), "expected whole numbers from 0 to 255 (uint8); got float64"),
        (np.zeros((28, 28, 2), np.uint8), "got (28, 28, 2)"),
        (np.zeros(784, np.uint8), "got (784,)"),
        (np.zeros((0, 28), np.uint8), "got (0, 28)"),
    ],
)
def test_arrays_of_another_kind(array: NDArray[Any], words: str) -> None:
    assert words in refusal(array)


def test_sources_of_another_kind() -> None:
    assert refusal(None) == "Expected a path, bytes, a PIL image or an array; got NoneType."


def test_names_are_fit_for_a_terminal() -> None:
    assert source_name(Path("a\x1b[31m\n\udcff.png")) == r"a\x1b[31m\n\udcff.png"
    assert source_name("Müller ä.png") == "Müller ä.png"


def test_broken_files_end_as_pictures_or_picture_errors() -> None:
    path = Path(__file__).parent.parent / "benchmarks" / "fuzz.py"
    fuzz = runpy.run_path(str(path))
    outcomes = [(name, fuzz["read"](data)) for name, data in fuzz["inputs"](500, seed=1)]
    assert not [outcome for outcome in outcomes if outcome[1].startswith("!")]
    assert 50 < sum(kind == "a picture" for _, kind in outcomes) < 450


# What only the first frame needs is read


@pytest.mark.parametrize("name", bombs())
def test_what_the_first_frame_does_not_need_costs_nothing(name: str) -> None:
    data, plain = bombs()[name]
    began = time.process_time()
    assert (read_picture(data, GARMENT) == read_picture(plain, GARMENT)).all()
    assert time.process_time() - began < 2


def test_parts_and_scans_beyond_the_limits() -> None:
    jpeg = encoded(scene(), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    scans = jpeg[:-2] + jpeg[last:-2] * 200 + jpeg[-2:]
    assert refusal(scans) == "bytes: a JPEG of more than 100 scans; more are not decoded."
    assert read_picture(scans, PLAIN, Limits(max_scans=300)).any()
    png = encoded(scene())
    parts = png[:33] + chunk(b"teXt", b"") * 200 + png[33:]
    assert refusal(parts, limits=Limits(max_parts=100)).startswith("bytes: a file of more than 100 parts")
    assert read_picture(parts, PLAIN).any()
    assert "a TIFF whose tags overlap" in refusal(tags(65_000, 10**6))


def test_a_canvas_is_measured_before_room_is_made_for_it() -> None:
    frames = [scene(), scene(ground=90)]
    data = bytearray(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    assert data[12:16] == b"VP8X"
    data[24:30] = b"\xff\x7f\0\xff\x7f\0"
    assert "32,768×32,768 pixels" in refusal(bytes(data))
    data = bytearray(encoded(frames[0], "GIF"))
    place = data.index(b"\x2c\0\0\0\0", 13)
    data[place + 1 : place + 5] = b"\xff\xff\xff\xff"
    assert "65,835×65,935 pixels" in refusal(bytes(data))
    tile = struct.pack("<HHLL", 322, 4, 1, 60_000) + struct.pack("<HHLL", 323, 4, 1, 60_000)
    assert "tiles of 60,000×60,000" in refusal(b"II*\0\x08\0\0\0\2\0" + tile + bytes(4))


@pytest.mark.parametrize("settings", [{}, {"big_tiff": True}, {"compression": "tiff_lzw"}])
def test_a_tiff_keeps_what_its_pixels_need(settings: dict[str, Any]) -> None:
    frames = [Image.new("RGB", (200, 200), (255, 255, 255))] * 3
    data = encoded(scene(), "TIFF", save_all=True, append_images=frames, **settings)
    assert (read_picture(data, GARMENT) == read_picture(scene(), GARMENT)).all()


def test_avif_and_heic_are_turned_by_what_they_say_themselves() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    data = encoded(scene(), "AVIF", exif=exif)
    cut = first_frame("Avif", data, Limits()).data
    assert len(cut) == len(data)
    assert Image.open(io.BytesIO(data)).getexif()
    assert not Image.open(io.BytesIO(cut)).getexif()


# HEIC


def heic() -> bytes:
    return bytes(runpy.run_path(str(Path(__file__).parent.parent / "benchmarks" / "fuzz.py"))["HEIC"])


def test_heic_is_read() -> None:
    pytest.importorskip("pi_heif", reason="the extra heic is not installed")
    image = decode(heic(), Limits(), side=112, longest=28)
    assert image.size == (48, 64)
    assert image.getpixel((2, 2)) == pytest.approx((250, 250, 250), abs=6)
    assert image.getpixel((24, 30)) == pytest.approx((20, 30, 40), abs=6)
    assert "damaged or cut off" in refusal(heic()[:400])


def test_heic_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    monkeypatch.setitem(sys.modules, "pi_heif.as_plugin", None)
    with pytest.raises(PictureError) as caught:
        read_picture(heic(), PLAIN)
    assert caught.value.message == "bytes: HEIC, which needs an extra."
    assert caught.value.hint == "Install it with: pip install 'lapel[heic]'"


# The settings


def test_settings_survive_a_round_trip() -> None:
    for spec in (PLAIN, GARMENT, PictureSpec(size=64, channels=3)):
        assert PictureSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": 0}, "must be a whole number from 4 to 1024; 0 was given"),
        ({"size": 28.0}, "28.0 was given"),
        ({"size": True}, "True was given"),
        ({"channels": 2}, "must be 1 or 3; 2 was given"),
        ({"preparation": "garmnet"}, 'Did you mean "garment"?'),
        ({"preparation": []}, "no preparation"),
        ({"preparation": "garment", "channels": 3}, "so channels must be 1"),
        ({"sice": 28}, 'Did you mean "size"?'),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(LapelError) as caught:
        PictureSpec.from_dict(settings)
    assert words in str(caught.value)
