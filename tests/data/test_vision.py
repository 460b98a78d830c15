from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from PIL import Image, PngImagePlugin

from gradfleet.data.dataset import AutoDataset
from gradfleet.data.decoding import apply_all
from gradfleet.data.preparation import preparation_from_json
from gradfleet.data.vision import ImagePreparation
from gradfleet.errors import DataError

GREY = ImagePreparation(size=(2, 2), channels=1)
RGB = ImagePreparation(size=(2, 2), channels=3)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def test_a_path_bytes_an_image_and_an_array_give_the_same_tensor(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    preparation = ImagePreparation(size=(4, 5), channels=3)
    items: list[Any] = [tmp_path / "a.png", str(tmp_path / "a.png"), encoded(image), image, pixels]
    applied = [preparation.apply(item) for item in items]
    assert all(torch.equal(one, applied[0]) for one in applied)
    assert applied[0].shape == (3, 4, 5)
    assert applied[0].dtype == torch.uint8
    assert torch.equal(apply_all(preparation, items), torch.stack(applied))


def test_an_image_of_the_right_size_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    applied = ImagePreparation(size=(4, 5), channels=3).apply(pixels)
    assert torch.equal(applied, torch.from_numpy(pixels).permute(2, 0, 1))


@pytest.mark.parametrize(
    ("image", "value"),
    [
        (Image.new("1", (4, 4), 1), 255),
        (Image.new("L", (4, 4), 77), 77),
        (Image.new("LA", (4, 4), (0, 0)), 255),
        (Image.new("LA", (4, 4), (10, 255)), 10),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 0)), 255),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 255)), 0),
        (Image.new("P", (4, 4), 0), 0),
        (Image.new("CMYK", (4, 4), (0, 0, 0, 0)), 255),
        (Image.fromarray(np.full((4, 4), 0xABCD, np.uint16)), 0xAB),
        (Image.fromarray(np.full((4, 4), 0xABCD, np.int32)), 0xAB),
        (Image.fromarray(np.full((4, 4), 200, np.int32)), 200),
        (Image.fromarray(np.full((4, 4), 200, np.uint16)), 200),
        (Image.fromarray(np.full((4, 4), -1, np.int32)), 0),
        (Image.fromarray(np.full((4, 4), 0.2, np.float32)), 51),
        (Image.fromarray(np.full((4, 4), 52.0, np.float32)), 52),
        (Image.fromarray(np.full((4, 4), np.nan, np.float32)), 0),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
def test_every_mode_is_brought_to_grey_and_to_rgb(image: Image.Image, value: int) -> None:
    assert GREY.apply(image).unique().tolist() == [value]
    assert RGB.apply(image).unique().tolist() == [value]
    assert RGB.apply(image).shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("largest", "kind", "white", "middle"),
    [
        (4095, np.uint16, 4095, 127),  # a scanner's 12 bits in 16
        (900, np.uint16, 1023, 112),
        (65535, np.uint16, 65535, 127),
        (255, np.int32, 255, 127),
        (2**31 - 1, np.int32, 2**32 - 1, 63),
        (1.0, np.float32, 1, 128),
        (1.0001, np.float32, 1, 128),
        (2.0, np.float32, 2, 128),
        (255.0, np.float32, 255, 128),
        (4000.0, np.float32, 4000, 128),
    ],
)
def test_white_is_found_out_where_greys_have_more_than_8_bits(
    largest: float, kind: Any, white: float, middle: int, tmp_path: Path
) -> None:
    images = [Image.fromarray(np.full((4, 4), largest * part, kind)) for part in (0.25, 0.5, 1.0)]
    names = [tmp_path / f"{number}.tiff" for number in range(3)]
    for name, image in zip(names, images, strict=True):
        image.save(name)
    fitted = ImagePreparation().fit(names)
    floats = kind is np.float32
    assert (fitted.integer_range, fitted.float_range) == ((None, (0, white)) if floats else ((0, white), None))
    assert fitted.channels == 1
    assert fitted.apply(names[1]).unique().tolist() == [middle]
    assert preparation_from_json(json.loads(json.dumps(fitted.to_json()))) == fitted
    (tmp_path / "none.tiff").write_bytes(names[2].read_bytes()[:40])
    assert ImagePreparation().fit([*names, tmp_path / "none.tiff"]) == fitted, "apply names what cannot be read"


def test_greys_below_0_and_of_both_kinds_have_ranges_of_their_own() -> None:
    tomography = Image.fromarray(np.array([[-1000, 0], [1000, 3000]], np.int32))
    scores = Image.fromarray(np.array([[-3.0, 0.0], [np.inf, 3.0]], np.float32))
    fitted = ImagePreparation().fit([tomography, scores, Image.fromarray(np.full((2, 2), np.nan, np.float32))])
    assert (fitted.integer_range, fitted.float_range) == ((-1000, 3000), (-3, 3))
    assert fitted.apply(tomography).flatten().tolist() == [0, 63, 127, 255]
    assert fitted.apply(scores).flatten().tolist() == [0, 128, 255, 255]
    flat = ImagePreparation().fit([Image.fromarray(np.full((2, 2), -5, np.int32))])
    assert flat.integer_range == (-5, -4), "one value alone is black"
    integers, floats = (Image.fromarray(np.full((2, 2), *one)) for one in ((0x8000, np.uint16), (0.5, np.float32)))
    assert ImagePreparation().fit([floats]).apply(integers).unique().tolist() == [128], (
        "one kind says nothing of another"
    )
    assert ImagePreparation().fit([integers]).apply(floats).unique().tolist() == [128]


def test_what_is_black_and_white_in_deep_greys_is_said(tmp_path: Path) -> None:
    for number, label in enumerate("abab"):
        (tmp_path / "scans" / label).mkdir(parents=True, exist_ok=True)
        scan = Image.fromarray(np.full((4, 6), 1000 * (number + 1), np.uint16))
        scan.save(tmp_path / "scans" / label / f"{number}.tiff")
    names = [f"{label}/{number}.tiff" for number, label in enumerate("abab")]
    pandas.DataFrame({"image": names, "label": list("abab")}).to_csv(tmp_path / "scans" / "labels.csv", index=False)
    said = (
        "Images are prepared once: grey, 4 pixels high and 6 wide; one of other proportions is cropped. "
        "In greys of integers 0 is black and 4095 white."
    )
    for data in (AutoDataset(tmp_path / "scans"), AutoDataset(tmp_path / "scans" / "labels.csv")):
        assert data.open().facts.notes[-1] == said


def test_ranges_that_are_given_are_kept_and_checked() -> None:
    image = Image.fromarray(np.full((2, 2), 900, np.uint16))
    fitted = ImagePreparation(size=(2, 2), channels=1, integer_range=(0, 65535), float_range=(0, 1)).fit([image])
    assert fitted.apply(image).unique().tolist() == [3]
    for wrong in ((0, 0), (0,), "ab", (0, float("inf"))):
        with pytest.raises(
            DataError, match=r"integer_range is \(black, white\), black below white, such as \(0, 4095\)"
        ):
            ImagePreparation(integer_range=wrong)  # type: ignore[arg-type]


def test_16_bit_png_and_transparent_palette_are_read_from_files(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(tmp_path / "deep.png")
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(tmp_path / "clear.png", transparency=b"\xff\x00")
    palette.save(tmp_path / "solid.gif")
    assert GREY.apply(tmp_path / "deep.png").unique().tolist() == [0x80]
    assert RGB.apply(tmp_path / "clear.png").unique().tolist() == [255]
    assert RGB.apply(tmp_path / "solid.gif")[:, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_turned_photograph_is_set_upright(form: str) -> None:
    image = Image.new("L", (64, 32), 0)
    image.paste(255, (0, 0, 32, 32))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise: white comes to the top
    upright = GREY.apply(encoded(image.convert("RGB"), form, exif=exif))[0]
    assert upright[0].min() > 200
    assert upright[1].max() < 50
    fitted = ImagePreparation().fit([encoded(image, form if form != "WEBP" else "JPEG", exif=exif)])
    assert fitted.size == (64, 32)


def test_one_size_for_all_is_kept_and_grey_stays_grey() -> None:
    fitted = ImagePreparation().fit([encoded(Image.new("L", (6, 8)))] * 3)
    assert fitted == ImagePreparation(size=(8, 6), channels=1, refuses_colour=True, resize="crop")


def test_mixed_sizes_give_the_median_scaled_to_the_largest_side() -> None:
    images = [encoded(Image.new("L", size)) for size in [(100, 50), (400, 200), (1000, 900)]]
    assert ImagePreparation().fit([*images, encoded(Image.new("RGB", (400, 200)))]).size == (112, 224)
    assert ImagePreparation(largest=50).fit(images).size == (25, 50)
    assert ImagePreparation().fit([*images, encoded(Image.new("RGB", (2, 2)))]).channels == 3


@pytest.mark.parametrize(
    ("resize", "side", "first_column"),
    [("crop", 4, [100] * 4), ("pad", 12, [255] * 4 + [0] * 4 + [255] * 4), ("stretch", 12, [0] * 12)],
)
def test_an_image_of_other_proportions_keeps_its_middle_its_whole_or_neither(
    resize: Any, side: int, first_column: list[int]
) -> None:
    bars = np.repeat(np.array([[0, 100, 200]], np.uint8).repeat(4, 0), 4, axis=1)
    found = ImagePreparation(size=(side, side), channels=1, resize=resize).apply(bars)[0]
    assert found[:, 0].tolist() == first_column


def test_a_crop_is_chosen_where_it_keeps_half_and_a_square_where_that_does() -> None:
    def chosen(*sizes: tuple[int, int], **settings: Any) -> tuple[Any, Any]:
        fitted = ImagePreparation(**settings).fit([encoded(Image.new("L", size)) for size in sizes])
        return fitted.size, fitted.resize

    assert chosen((40, 30), (30, 40), (40, 30)) == ((30, 40), "crop")
    assert chosen((40, 30), (30, 40), (40, 30), square=True) == ((30, 30), "crop")
    assert chosen((400, 300), square=True, largest=224) == ((224, 224), "crop")
    assert chosen((90, 30), square=True) == ((30, 90), "crop"), "a square of it would be a third"
    assert chosen((90, 30), (30, 90), (30, 90)) == ((90, 30), "crop"), "two of three are of this shape"
    assert chosen((90, 30), (30, 90), (30, 30)) == ((30, 30), "crop"), "1/3 + 1/3 + 1 is over half of three"
    assert chosen((90, 30), size=(30, 30)) == ((30, 30), "stretch")
    assert chosen((90, 30), size=(30, 30), resize="pad") == ((30, 30), "pad")


def test_what_was_prepared_before_proportions_were_kept_is_stretched_as_it_was() -> None:
    old = {name: value for name, value in GREY.to_json().items() if name not in ("resize", "square")}
    again = preparation_from_json(old)
    assert again == ImagePreparation(size=(2, 2), channels=1, resize="stretch")


def test_what_is_given_is_not_chosen() -> None:
    image = encoded(Image.new("L", (6, 8)))
    assert ImagePreparation(size=(3, 3)).fit([image]).channels == 1
    assert ImagePreparation(channels=3).fit([image]) == ImagePreparation(size=(8, 6), channels=3, resize="crop")


def test_fitting_decodes_nothing(class_folders: Any, decoded: list[str]) -> None:
    folder = class_folders({"rose": 3})
    ImagePreparation().fit(sorted(folder.rglob("*.png")))
    assert decoded == []


def test_a_preparation_comes_back_from_json() -> None:
    for preparation in (ImagePreparation(), RGB, ImagePreparation(largest=64, resize="pad", square=True)):
        again = preparation_from_json(json.loads(json.dumps(preparation.to_json())))
        assert again == preparation
        assert again.key == preparation.key
    assert GREY.key != RGB.key
    with pytest.raises(DataError, match="No preparation is called 'imagee'. Did you mean 'image'?"):
        preparation_from_json({"preparation": "imagee"})


def test_settings_are_checked_at_birth() -> None:
    with pytest.raises(DataError) as caught:
        ImagePreparation(size=(0, 3), channels=2, largest=1, resize="squash")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (3, "needs to be a path, encoded bytes, a Pillow image or a uint8 array, got int"),
        (np.zeros((4, 4)), r"needs to be uint8 of shape .*, got float64 of shape \(4, 4\)"),
        (np.zeros((4, 4, 2), np.uint8), r"got uint8 of shape \(4, 4, 2\)"),
        (np.zeros((0, 4), np.uint8), r"needs pixels, got shape \(0, 4\)"),
        (b"not an image", "An item of type bytes cannot be read as an image: its bytes are of no image format"),
        (Image.new("L", (1, 1)), "has 1 x 1 pixels; an image needs at least 2 x 2"),
        ("nowhere.png", "nowhere.png cannot be read as an image: .*No such file"),
    ],
    ids=["int", "float array", "two channels", "no pixels", "bytes", "one pixel", "no file"],
)
def test_what_is_no_image_is_refused_by_name(item: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        GREY.apply(item)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for form in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"):
        content = encoded(Image.fromarray(pixels), form)
        (tmp_path / "half").write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match=r"half cannot be read as an image: "):
            RGB.apply(tmp_path / "half")


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = encoded(Image.new("L", (50, 50)))
    for limit in (2000, 1000):  # Pillow warns of the first and refuses the second itself
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=rf"more than the {limit:,} pixels that are decoded"):
            GREY.apply(bomb)


def test_a_bomb_is_refused_where_warnings_are_only_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(DataError, match=r"has 50 x 50 pixels; at most 2,000 are decoded"),
    ):
        GREY.apply(encoded(Image.new("L", (50, 50))))


def test_a_large_text_chunk_or_damaged_exif_does_no_harm() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 10_000)
    assert GREY.apply(encoded(Image.new("L", (4, 4), 9), pnginfo=info)).unique().tolist() == [9]
    assert GREY.apply(encoded(Image.new("L", (4, 4), 9), exif=b"Exif\x00\x00II*\x00\xff\xff")).unique().tolist() == [9]


def test_every_item_that_cannot_be_read_is_named_at_once() -> None:
    good = np.zeros((4, 4), np.uint8)
    with pytest.raises(DataError) as caught:
        apply_all(GREY, [good, *(f"{number}.png" for number in range(12)), good])
    assert [problem.split(" ")[0] for problem in caught.value.problems[:10]] == [
        f"{number}.png" for number in range(10)
    ]
    assert caught.value.problems[10] == "2 more items cannot be read."
    with pytest.raises(DataError, match="At least one item is needed"):
        apply_all(GREY, [])


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    ramp = np.tile(np.linspace(0, 255, 1024, dtype=np.uint8), (1024, 1))
    large = encoded(Image.fromarray(ramp), "JPEG", quality=95)
    fast = ImagePreparation(size=(16, 16), channels=1).apply(large).float()
    exact = ImagePreparation(size=(16, 16), channels=1).apply(ramp).float()
    assert (fast - exact).abs().max() <= 2


@pytest.mark.row("DA6")
def test_an_image_of_another_mode_is_refused_by_name(tmp_path: Path) -> None:
    fitted = ImagePreparation().fit([encoded(Image.new("L", (6, 8)))] * 3)
    coloured = tmp_path / "red.png"
    Image.new("RGB", (6, 8), "red").save(coloured)
    with pytest.raises(DataError, match=r"red\.png has colours \(mode RGB\), but every training image was grey"):
        fitted.apply(coloured)
    assert fitted.apply(encoded(Image.new("RGB", (6, 8), (9, 9, 9)))).unique().tolist() == [9]
    assert fitted.apply(encoded(Image.new("LA", (6, 8)))).shape == (1, 8, 6)
    again = preparation_from_json(fitted.to_json())
    with pytest.raises(DataError, match="An item of type Image has colours"):
        again.apply(Image.new("RGB", (6, 8), "blue"))
    with pytest.raises(DataError, match=r"needs to be uint8 of shape .* got float32"):
        again.apply(np.zeros((6, 8), np.float32))
