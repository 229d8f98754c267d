"""Sizes, pixels and boxes between file and network."""

import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.image_files import ImageFileError, image_size, read_image
from maskrcnn_benchmark.data.transforms import Transform, resize_image, resized_shape
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError


def draws(seed=0):
    return np.random.default_rng(seed)


def smooth(width, height, seed=0):
    """An image with structure at several scales, as photographs have."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    return np.array(Image.fromarray(noise).resize((width, height), Image.BICUBIC))


@pytest.mark.parametrize(
    "size, expected",
    [
        ((800, 600), (800, 600)),  # the shorter side is right already
        ((500, 375), (800, 600)),
        ((375, 500), (600, 800)),
        ((640, 427), (899, 600)),  # 600 * 640 / 427 = 899.29 is truncated
        ((1000, 250), (1000, 250)),  # 1000 * 250 / 1000
        ((2000, 333), (996, 166)),  # round(166.5) = 166: half to even
        ((2000, 335), (1002, 168)),  # round(167.5) = 168
        ((333, 2000), (166, 996)),
        ((100, 100), (600, 600)),
        ((5000, 1), (5000, 1)),  # never less than a pixel
    ],
)
def test_the_size_rule(size, expected):
    assert resized_shape(*size, min_size=600, max_size=1000) == expected


def test_the_size_rule_agrees_with_its_words_over_many_sizes():
    draw = draws()
    for width, height in draw.integers(30, 2000, (2000, 2)).tolist():
        short, long = sorted((width, height))
        size = 800
        if long / short * 800 > 1333:
            size = round(1333 * short / long)
        long_side = size * long // short
        expected = (size, long_side) if width <= height else (long_side, size)
        assert resized_shape(width, height, 800, 1333) == expected


@pytest.mark.parametrize("target", [(600, 400), (150, 101), (333, 222), (61, 900)])
def test_resizing_is_pils_within_rounding(target):
    image = smooth(300, 200)
    expected = np.array(Image.fromarray(image).resize(target, Image.BILINEAR)).astype(int)
    found = resize_image(torch.from_numpy(image).permute(2, 0, 1), target).permute(1, 2, 0).numpy().astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1


def test_decoding_is_pils(tmp_path):
    image = Image.fromarray(smooth(120, 90))
    modes = {
        "a.png": "RGB",
        "b.jpg": "RGB",
        "c.jpg": "L",
        "d.png": "RGBA",
        "e.bmp": "RGB",
        "f.gif": "P",
        "g.tiff": "RGB",
    }
    for name, mode in modes.items():
        image.convert(mode).save(tmp_path / name)
        found = read_image(tmp_path / name)
        with Image.open(tmp_path / name) as file:
            expected = np.array(file.convert("RGB"))
        assert found.dtype == torch.uint8 and found.shape == (3, 90, 120)
        assert np.abs(found.permute(1, 2, 0).numpy().astype(int) - expected).max() <= 1, name


def test_a_file_that_is_no_image_is_named(tmp_path):
    for name, content in (
        ("empty.jpg", b""),
        ("text.jpg", b"not an image at all"),
        ("cut.png", b"\x89PNG\r\n\x1a\n1234"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageFileError, match=name):
            read_image(tmp_path / name)
    with pytest.raises(ImageFileError, match="none.jpg.*No such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageFileError, match="cannot be read.*null byte"):
        read_image("half\0name.jpg")
    (tmp_path / "pipe.jpg").symlink_to("/dev/zero")
    (tmp_path / "drawing.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    for name, message in (("pipe", "no file but a device or pipe"), ("drawing", r"is a drawing \(EPS\)")):
        with pytest.raises(ImageFileError, match=f"{name}.jpg: .*{message}"):
            read_image(tmp_path / f"{name}.jpg")


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_whose_range_nobody_knows_are_refused(tmp_path, dtype):
    Image.fromarray(np.full((4, 6), 1, dtype)).save(tmp_path / "depth.tiff")
    with pytest.raises(ImageFileError, match="depth.tiff: .*32 bits"):
        read_image(tmp_path / "depth.tiff")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_images_are_read_upright(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(smooth(40, 20)).save(tmp_path / name, exif=exif, **({"lossless": True} if name == "a.webp" else {}))
    with Image.open(tmp_path / name) as file:
        expected = np.array(ImageOps.exif_transpose(file).convert("RGB")).astype(int)
    found = read_image(tmp_path / name).permute(1, 2, 0).numpy()
    assert found.shape == expected.shape and np.abs(found - expected).max() <= 1
    assert image_size(tmp_path / name) == (found.shape[1], found.shape[0])
    if name != "a.tif":
        assert read_image(tmp_path / name, upright=False).shape == (3, 20, 40)


def test_too_many_pixels_are_refused_by_the_header(tmp_path, monkeypatch):
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    header = whole[12:16] + (60000).to_bytes(4, "big") * 2 + whole[24:29]
    (tmp_path / "bomb.png").write_bytes(whole[:12] + header + zlib.crc32(header).to_bytes(4, "big") + whole[33:])
    for read in (read_image, image_size):
        with pytest.raises(UserError, match="bomb.png.*DATA_MAX_PIXELS"):
            read(tmp_path / "bomb.png")
    monkeypatch.setenv("DATA_MAX_PIXELS", "1199")
    with pytest.raises(UserError, match="1,200 pixels, more than the 1,199"):
        read_image(tmp_path / "a.png")
    monkeypatch.setenv("DATA_MAX_PIXELS", "many")
    with pytest.raises(UserError, match="DATA_MAX_PIXELS: expected a whole number"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_of_several_frames_the_first_is_read(tmp_path, name):
    frames = [Image.fromarray(np.full((30, 40, 3), value, np.uint8)) for value in (10, 120, 240)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / name).unique().tolist() == [10]
    assert image_size(tmp_path / name) == (40, 30)


def test_boxes_follow_the_pixels():
    """A bright rectangle stays under its box through resizing and both mirrorings."""
    for hflip, vflip in ((0, 0), (1, 0), (0, 1), (1, 1)):
        image = torch.zeros(3, 100, 150, dtype=torch.uint8)
        image[:, 20:40, 30:90] = 255
        target = BoxList([[30.0, 20.0, 89.0, 39.0]], (150, 100))
        transform = Transform(min_sizes=(200,), max_size=1000, hflip=hflip, vflip=vflip)
        image, target = transform(image, target, draws())
        assert image.shape == (3, 200, 300) and target.size == (300, 200)
        rows, columns = (image[0] > 127).nonzero(as_tuple=True)
        corners = torch.stack([columns.min(), rows.min(), columns.max(), rows.max()])
        assert (target.bbox[0] - corners).abs().max() <= 1.01


def test_all_draws_come_from_the_generator():
    image = torch.from_numpy(smooth(60, 40)).permute(2, 0, 1)
    target = BoxList([[3.0, 4.0, 20.0, 30.0]], (60, 40))
    jitter = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.3}
    transform = Transform(min_sizes=(30, 50, 70), max_size=1000, hflip=0.5, vflip=0.5, jitter=jitter)
    first = [transform(image, target, draws(seed)) for seed in range(20)]
    again = [transform(image, target, draws(seed)) for seed in range(20)]
    for (a, box_a), (b, box_b) in zip(first, again, strict=True):
        assert torch.equal(a, b) and torch.equal(box_a.bbox, box_b.bbox)
    assert {min(a.shape[1:]) for a, _ in first} == {30, 50, 70}
    assert len({tuple(box.bbox[0].tolist()) for _, box in first}) > 6


def test_evaluation_only_resizes():
    training = ["INPUT.HORIZONTAL_FLIP_PROB_TRAIN", 1.0, "INPUT.BRIGHTNESS", 0.5]
    cfg = load_config(None, [*training, "INPUT.MIN_SIZE_TEST", 40, "INPUT.MAX_SIZE_TEST", 90])
    image = torch.from_numpy(smooth(60, 40)).permute(2, 0, 1)
    target = BoxList([[3.0, 4.0, 20.0, 30.0]], (60, 40))
    found, boxes = Transform.from_config(cfg, training=False)(image, target, draws())
    assert torch.equal(found, image) and torch.equal(boxes.bbox, target.bbox)
    changed, boxes = Transform.from_config(cfg, training=True)(image, target, draws())
    assert boxes.size == (1200, 800)
