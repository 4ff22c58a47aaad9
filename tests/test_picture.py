from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lapel.decode import decode, source_name
from lapel.errors import LapelError, PictureError
from lapel.picture import Limits, PictureSpec, read_picture

PLAIN = PictureSpec()
GARMENT = PictureSpec(preparation="garment")


def encoded(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def scene(garment: int = 20, ground: int = 250, size: tuple[int, int] = (300, 400)) -> Image.Image:
    """A garment, twice as high as wide, on plain ground and off the centre."""
    image = Image.new("RGB", size, (ground,) * 3)
    image.paste((garment,) * 3, (40, 60, 140, 260))
    return image


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


def test_where_no_garment_is_found_the_whole_picture_is_kept() -> None:
    blank = Image.new("RGB", (60, 60), (90, 90, 90))
    assert (read_picture(blank, GARMENT) == 90).all()


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
    assert (picture[12:16, 10:18] == 200).all()


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
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
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


def test_a_large_jpeg_is_decoded_at_a_reduced_scale() -> None:
    data = encoded(Image.new("RGB", (2400, 1600), (9, 9, 9)), "JPEG")
    assert min(decode(data, Limits(), side=112, longest=28).size) < 224


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

    monkeypatch.setattr(Path, "open", refuse)
    assert refusal(path).endswith("closed.png: permission denied.")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty; it holds no bytes at all"),
        (b"This is a note, not a photo.\n", "it looks like text"),
        (b"PK\x03\x04rest of an archive", "it looks like a zip archive"),
        (b"%PDF-1.7", "it looks like a PDF"),
        (b"<!DOCTYPE html><html>", "it looks like a web page or SVG"),
        (b"<?xml version='1.0'?><svg/>", "it looks like a web page or SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "it looks like HEIC"),
        (b"\x00\x01\x02\x03 noise", "it looks like nothing known"),
        (b"\xff\xd8\xff\xe0", "damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n", "damaged or cut off"),
    ],
)
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


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.filterwarnings("ignore")
def test_mutated_files_end_as_pictures_or_picture_errors(kind: str) -> None:
    random = np.random.default_rng(len(kind))
    noise = random.integers(0, 256, (24, 20, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    settings: dict[str, Any] = {} if kind in ("GIF", "BMP") else {"exif": exif}
    whole = np.frombuffer(encoded(Image.fromarray(noise), kind, **settings), np.uint8)
    limits = Limits(max_pixels=1_000_000)
    for _ in range(100):
        data = whole.copy()
        # Most changes fall on the header, where they mean most.
        reach = min(len(data), 200 if random.random() < 0.8 else len(data))
        places = random.integers(0, reach, random.integers(1, 6))
        data[places] = random.choice([0, 1, 127, 128, 255, int(random.integers(256))], len(places))
        piece = data[: random.integers(1, len(data) + 1)] if random.random() < 0.2 else data
        try:
            assert read_picture(piece.tobytes(), GARMENT, limits).shape == (28, 28, 1)
        except PictureError as error:
            assert error.message.startswith("bytes: ")


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
