import hashlib
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from PIL import Image

from suite.datasets.pixels import resizing
from suite.datasets.segmentation import IGNORE, SegmentationSet
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import RequestError
from suite.segmentation.augment import Colours, distort, draw_colours, hsv_to_rgb, mirror_table, rgb_to_hsv
from suite.segmentation.crops import CropRecipe, Crops
from suite.segmentation.resize import Windows, keep_ratio_size, sample_labels, sample_pixels
from suite.segmentation.store import ImageStore, Ragged
from tests.support import mmseg_reference as reference
from tests.support.lookalikes import noise, save

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RECIPE = CropRecipe(crop_px=48, scale=(120, 48), batch_size=4)
LEFT_ALONE = Colours(None, None, False, None, None)
SIZES = [(40, 61), (70, 33), (50, 50), (29, 64), (45, 44)]


def write_set(root, name, classes, *, blocks=4, sizes=SIZES):
    """Lossless images of noise, masks of blocks of a few classes each: some windows are diverse, some are not."""
    records = []
    for i, (height, width) in enumerate(sizes):
        image = save(root / f"{i}.jpg", noise(height, width, i), file_format="PNG")
        small = np.random.default_rng([classes, i]).integers(0, classes + 1, (blocks, blocks), dtype=np.uint8)
        mask = small.repeat(-(-height // blocks), 0)[:height].repeat(-(-width // blocks), 1)[:, :width]
        path = root / name / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(mask).save(path)
        records.append((image, path))
    return SegmentationSet(name, tuple(records), tuple(f"class {i}" for i in range(classes)))


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return [write_set(root, "one", 1), write_set(root, "two", 2, blocks=2), write_set(root, "many", 20)]


def crops_of(sets, recipe=RECIPE, seed=3, **options):
    return Crops(ImageStore(sets), recipe, seed=seed, mean=MEAN, std=STD, **options)


def single(image, mask):
    """One image as a `Ragged`."""
    size = np.array([image.shape[:2]])
    flat = torch.from_numpy(image.reshape(-1, 3)), {"set": torch.from_numpy(np.ascontiguousarray(mask).reshape(-1))}
    return Ragged(*flat, np.array([0]), size)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(("height", "width", "new_height", "new_width"), reference.OPENCV_RESIZE)
def test_resizing_equals_opencv_to_the_bit_and_the_textbook_to_a_level(height, width, new_height, new_width):
    image = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    whole = Windows(np.array([0]), np.array([[new_height, new_width]]), np.zeros((1, 2), int), np.array([False]))
    pixels = sample_pixels(single(image, image[..., 0]), whole, new_height, new_width)[0].numpy()
    labels = sample_labels(single(image, image[..., 0]), "set", whole, new_height, new_width)[0].numpy()
    assert (digest(pixels), digest(labels)) == reference.OPENCV_RESIZE[height, width, new_height, new_width]
    textbook = reference.bilinear(image, new_height, new_width).astype(int)
    assert np.abs(pixels - textbook).max() <= 1
    assert np.array_equal(labels, reference.nearest(image[..., 0], new_height, new_width))


@pytest.mark.parametrize(("flip", "columns"), [(False, slice(50, None)), (True, slice(None, 49, -1))])
def test_a_window_of_images_resized_otherwise_is_cut_from_the_whole(flip, columns):
    image = noise(37, 53)
    resize = resizing({"antialias": "on"}, protocol="bilinear", antialias=False)
    images = replace(single(image, image[..., 0]), resize=resize)
    window = Windows(np.array([0]), np.array([[21, 60]]), np.array([[3, 50]]), np.array([flip]))
    whole = np.asarray(Image.fromarray(image).resize((60, 21), Image.Resampling.BILINEAR))
    assert np.array_equal(sample_pixels(images, window, 18, 10)[0].numpy(), whole[3:, columns])


@pytest.mark.parametrize("flip", [False, True])
def test_a_window_equals_the_same_part_of_the_whole(flip):
    image = noise(37, 53)
    images = single(image, image[..., 0])
    size = np.array([[71, 90]])
    whole = Windows(np.array([0]), size, np.zeros((1, 2), int), np.array([False]))
    part = replace(whole, corner=np.array([[30, 50]]), flip=np.array([flip]))
    for sample in (sample_pixels, lambda *args: sample_labels(args[0], "set", *args[1:])):
        expected = sample(images, whole, 71, 90)[:, 30:, 50:]
        expected = expected.flip(2) if flip else expected
        assert torch.equal(sample(images, part, 60, 60)[:, :41, :40], expected)
    assert part.extent(60, 60).tolist() == [[41, 40]]
    beyond = sample_labels(images, "set", part, 60, 60)[0]
    assert (beyond[41:] == IGNORE).all()
    assert (beyond[:, 40:] == IGNORE).all()


def test_sizes_are_truncated_where_mmcv_truncates():
    assert keep_ratio_size(500, 375, (520, 520), 0.7) == (364, 273)
    assert keep_ratio_size(683, 512, (2048, 512)) == (683, 512)
    assert keep_ratio_size(100, 3000, (2048, 512)) == (68, 2048)  # the long side limits
    rng = np.random.default_rng(0)
    for height, width in rng.integers(20, 900, (200, 2)):
        ratio = rng.uniform(0.5, 2)
        expected = reference.resized_size(height, width, (1024, 320), ratio)
        assert keep_ratio_size(height, width, (1024, 320), ratio) == expected


def test_hue_and_the_way_back_equal_opencv_to_the_bit():
    """Digests of cv2.cvtColor (4.10.0, 5.0.0): in the blocks of a row, and in the columns that they leave over.

    4.5.5 has the same blocks; of what they leave over 172 of the 11.8 million colours differ by a level there.
    """
    levels = np.arange(0, 256, 3, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(1, -1, 3)
    assert digest(torch.stack(rgb_to_hsv(torch.from_numpy(rgb)), -1)) == "81fbd79e7a38684b"
    hsv = np.stack(np.meshgrid(np.arange(180, dtype=np.uint8), levels, levels, indexing="ij"), -1).reshape(-1, 3)
    for left_over, recorded in ((False, "5cf930b767cd0a07"), (True, "9a9b3581dba41fee")):
        assert digest(hsv_to_rgb(*torch.from_numpy(hsv).unbind(-1), torch.tensor(left_over))) == recorded


@pytest.mark.parametrize("width", reference.OPENCV_COLOURS)
def test_changed_colours_equal_opencv_to_the_bit_at_any_width_padded_or_not(width):
    image = torch.from_numpy(noise(24, width, width))
    padded = torch.nn.functional.pad(image, (0, 0, 0, 96 - width), value=77)
    batch = torch.stack([padded, torch.full_like(padded, 5), padded])
    change = replace(LEFT_ALONE, saturation=1.25, hue=9)
    distort(batch, [change, LEFT_ALONE, change], np.array([width, 50, 96]))
    assert digest(batch[0, :, :width]) == reference.OPENCV_COLOURS[width]
    assert torch.equal(batch[1], torch.full_like(padded, 5))
    assert torch.equal(batch[2], distort(padded[None].clone(), [change], np.array([96]))[0])


def test_hue_is_near_the_textbook():
    rgb = np.random.default_rng(0).integers(0, 256, (3000, 3), dtype=np.uint8)
    hsv = torch.stack(rgb_to_hsv(torch.from_numpy(rgb)), -1).numpy()
    apart = np.abs(hsv.astype(int) - reference.to_hsv(rgb))
    assert np.minimum(apart, [180, 256, 256] - apart).max() <= 1
    back = hsv_to_rgb(*torch.from_numpy(hsv).unbind(-1), torch.tensor(False)).numpy()
    assert np.abs(back.astype(int) - reference.to_rgb(hsv)).max() <= 1


@pytest.mark.parametrize(
    "change",
    [
        {"brightness": 20.7},
        {"brightness": -31.9},
        {"contrast": 0.51},
        {"contrast": 1.37, "brightness": 13.2},
        {"contrast": 1.37, "contrast_last": True, "brightness": -13.2},
    ],
)
def test_brightness_and_contrast_are_exact_and_in_order(change):
    image = noise(20, 30)
    colours = replace(LEFT_ALONE, **change)
    changed = distort(torch.from_numpy(image[None].copy()), [colours], np.array([image.shape[1]]))[0].numpy()
    assert np.array_equal(changed.reshape(-1, 3), reference.distort(image.reshape(-1, 3), **asdict(colours)))


@pytest.mark.parametrize(
    "change",
    [
        {"saturation": 0.6},
        {"saturation": 1.45},
        {"hue": -18},
        {"hue": 17},
        {"saturation": 1.2, "hue": 9, "contrast": 0.8, "contrast_last": True, "brightness": 5.5},
    ],
)
def test_saturation_and_hue_are_within_the_stated_bound(change):
    """Hue and saturation may differ by one unit from the textbook: 8.5 levels for hue, and one or two by truncation."""
    image = noise(40, 50)
    colours = replace(LEFT_ALONE, **change)
    changed = (
        distort(torch.from_numpy(image[None].copy()), [colours], np.array([image.shape[1]]))[0]
        .numpy()
        .reshape(-1, 3)
        .astype(int)
    )
    apart = np.abs(changed - reference.distort(image.reshape(-1, 3), **asdict(colours)))
    assert apart.max() <= 10
    assert apart.mean() < 1
    assert np.abs(changed - image.reshape(-1, 3)).mean() > 5  # and it did something


def test_each_image_of_a_batch_has_its_own_colours():
    images = torch.from_numpy(np.stack([noise(8, 9, i) for i in range(6)]))
    colours = [draw_colours(np.random.default_rng(i)) for i in range(6)]
    widths = np.array([9] * 6)
    alone = [
        distort(image[None].clone(), [colour], widths[:1])[0] for image, colour in zip(images, colours, strict=True)
    ]
    assert torch.equal(distort(images.clone(), colours, widths), torch.stack(alone))


def test_colour_decisions_have_the_official_probabilities_and_ranges():
    drawn = [draw_colours(np.random.default_rng(i)) for i in range(4000)]
    for name, low, high in (("brightness", -32, 32), ("contrast", 0.5, 1.5), ("saturation", 0.5, 1.5)):
        values = [value for colours in drawn if (value := getattr(colours, name)) is not None]
        assert 0.46 < len(values) / len(drawn) < 0.54
        assert low <= min(values) < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < max(values) <= high
    assert {colours.hue for colours in drawn} == {None, *range(-18, 18)}
    assert 0.46 < np.mean([colours.contrast_last for colours in drawn]) < 0.54


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("colours", [False, True])
def test_crops_equal_the_official_pipeline(sets, seed, colours):
    """Labels exactly; pixels to a level (bilinear in fixed point), after the reference was given our colours."""
    recipe = replace(RECIPE, photometric=colours)
    crops = crops_of(sets, recipe, seed)
    taken, padded = set(), 0
    for step in range(4):
        batch = crops(step)
        for item, index in enumerate(crops.order(step)):
            image = noise(*SIZES[index], index)
            draw = crops.draw(step, item, *SIZES[index])
            for labels in sets:
                pixels, mask = reference.train_crop(
                    image, labels.mask(index), size=draw.size, corners=draw.corners, flip=draw.flip,
                    crop=recipe.crop_px, cat_max_ratio=recipe.cat_max_ratio,
                )  # fmt: skip
                rows, columns = mask.shape
                got = batch.labels[labels.name][item].numpy()
                assert np.array_equal(got[:rows, :columns], mask)
                assert (got[rows:] == IGNORE).all()
                assert (got[:, columns:] == IGNORE).all()
                shown = batch.pixels[batch.rows[labels.name][item]].permute(1, 2, 0).numpy()
                assert (shown[rows:] == 0).all()
                assert (shown[:, columns:] == 0).all()
                levels = (shown[:rows, :columns] * STD + MEAN) * 255
                if colours:
                    before = sample_of(image, draw, labels.mask(index), recipe)
                    pixels = distort(before[None], [draw.colours], np.array([columns]))[0].numpy()
                assert np.abs(levels - pixels).max() < (0.01 if colours else 1.01)
                taken.add(reference.choose(reference.nearest(labels.mask(index), *draw.size), draw.corners, 48, 0.75))
                padded += rows < 48 or columns < 48
    assert {0, 10} < taken  # windows were refused, and the last one taken unchecked
    assert padded


def sample_of(image, draw, mask, recipe):
    """The window that a label set takes, before its colours change."""
    number = reference.choose(reference.nearest(mask, *draw.size), draw.corners, recipe.crop_px, recipe.cat_max_ratio)
    corner = draw.corners[[number]]
    window = Windows(np.array([0]), np.array([draw.size]), corner, np.array([draw.flip]))
    rows, columns = window.extent(recipe.crop_px, recipe.crop_px)[0]
    return sample_pixels(single(image, mask), window, recipe.crop_px, recipe.crop_px)[0, :rows, :columns]


def test_a_step_is_a_function_of_seed_and_step_alone(sets):
    crops, again = crops_of(sets), crops_of(sets)
    ahead = {step: again(step) for step in (5, 0, 3)}
    for step, batch in ahead.items():
        assert torch.equal(crops(step).pixels, batch.pixels)
        assert not torch.equal(crops_of(sets, seed=4)(step).pixels, batch.pixels)
    assert not torch.equal(ahead[0].pixels[:4], ahead[3].pixels[:4])


@pytest.mark.parametrize("place", ["device", "host", "disk"])
def test_a_label_set_sees_the_same_alone_and_in_company_wherever_images_are(sets, place):
    together = crops_of(sets)
    for labels in sets:
        store = ImageStore([labels], place=place)
        alone = Crops(store, RECIPE, seed=3, mean=MEAN, std=STD)
        for step in range(3):
            one, all_ = alone(step), together(step)
            assert torch.equal(one.labels[labels.name], all_.labels[labels.name])
            own_pixels, shared = (batch.pixels[batch.rows[labels.name]] for batch in (one, all_))
            assert torch.equal(own_pixels, shared)


def test_windows_that_label_sets_share_are_there_once(sets):
    crops = crops_of(sets)
    for step in range(4):
        batch = crops(step)
        used = torch.cat(list(batch.rows.values()))
        assert sorted(set(used.tolist())) == list(range(len(batch.pixels)))
        flat = batch.pixels.flatten(1)
        assert len(torch.unique(flat, dim=0)) == len(flat)
        assert len(flat) < len(used)


def test_an_epoch_shows_each_image_once_and_drops_the_rest(sets):
    crops = crops_of(sets, replace(RECIPE, batch_size=2))
    epochs = [[image for step in (2 * epoch, 2 * epoch + 1) for image in crops.order(step)] for epoch in range(30)]
    assert all(len(set(images)) == 4 for images in epochs)
    assert len({tuple(images) for images in epochs}) > 20
    assert {image for images in epochs for image in images} == set(range(5))


def test_a_mask_of_one_class_takes_the_last_window(sets):
    """As the official rule does after ten refusals; no window of it is looked at."""
    crops = crops_of(sets[:1])
    looked = []
    look = crops._diverse
    crops._diverse = lambda *args: looked.extend(args[3]) or look(*args)
    batch = crops(0)
    assert not looked
    for item, index in enumerate(crops.order(0)):
        draw = crops.draw(0, item, *SIZES[index])
        _, mask = reference.train_crop(
            noise(*SIZES[index], index), sets[0].mask(index), size=draw.size, corners=draw.corners[[10] * 11],
            flip=draw.flip, crop=48, cat_max_ratio=0.75,
        )  # fmt: skip
        rows, columns = mask.shape
        assert np.array_equal(batch.labels["one"][item].numpy()[:rows, :columns], mask)


def test_without_the_rule_the_first_window_is_taken(sets):
    crops = crops_of(sets, replace(RECIPE, cat_max_ratio=1.0))
    assert len(crops(0).pixels) == 4


def test_ratio_and_flip_have_the_official_ranges(sets):
    crops = crops_of(sets)
    draws = [crops.draw(step, 0, 480, 480) for step in range(2000)]
    heights = [draw.size[0] for draw in draws]
    assert (min(heights), max(heights)) == (24, 95)  # int(48 r), r from .5 to 2
    assert 0.46 < np.mean([draw.flip for draw in draws]) < 0.54
    assert np.mean(heights) == pytest.approx(48 * 1.25 - 0.5, rel=0.02)
    corners = np.concatenate([draw.corners for draw in draws if draw.size[0] == 90])
    assert (corners.min(), corners.max()) == (0, 42)


def test_left_and_right_are_kept_or_swapped(sets):
    swap = np.arange(256, dtype=np.uint8)
    swap[:20] = np.arange(20)[::-1]
    kept, swapped = crops_of(sets), crops_of(sets, mirror={"many": swap})
    flips = 0
    for step in range(3):
        before, after = kept(step), swapped(step)
        assert torch.equal(before.labels["two"], after.labels["two"])
        for item, index in enumerate(kept.order(step)):
            flip = kept.draw(step, item, *SIZES[index]).flip
            labels = before.labels["many"][item].numpy()
            assert np.array_equal(after.labels["many"][item], swap[labels] if flip else labels)
            flips += flip
    assert 0 < flips < 12


def test_pairs_of_sides_come_from_the_names():
    lip = mirror_table(CLASSES["lip"])
    assert [lip[label] for label in (0, 13, 14, 15, 16, 17, 18, 255)] == [0, 14, 13, 16, 15, 18, 17, 255]
    names = list(CLASSES["pascal_part"])
    pascal = mirror_table(names)
    pairs = {
        "cat lear": "cat rear",
        "aeroplane lwing": "aeroplane rwing",
        "bus leftmirror": "bus rightmirror",
        "train hleftside": "train hrightside",
        "person llarm": "person rlarm",
        "cow lbuleg": "cow rbuleg",
        "bird tail": "bird tail",
        "person torso": "person torso",
    }
    assert {name: names[pascal[names.index(name)]] for name in pairs} == pairs
    for name in CLASSES:
        table = mirror_table(CLASSES[name])
        assert np.array_equal(table[table], np.arange(256))
    assert sum(pascal[label] != label for label in range(193)) == 2 * 54
    for name in ("ade20k", "ade20k_object", "ade20k_part", "pascal_object"):
        assert np.array_equal(mirror_table(CLASSES[name]), np.arange(256))


def test_too_few_images_for_a_batch_are_refused(sets):
    with pytest.raises(RequestError) as caught:
        crops_of(sets[:1], replace(RECIPE, batch_size=6))
    assert str(caught.value) == "segmentation of one: expected at least 6 training images, a batch, got 5"
