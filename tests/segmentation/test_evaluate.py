from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from suite.datasets.segmentation import SegmentationSet
from suite.errors import RequestError
from suite.metrics import SegmentationCounts
from suite.results.image_counts import pack, unpack
from suite.segmentation.bank import HeadSpec
from suite.segmentation.evaluate import SlideRecipe, evaluate, merge
from suite.segmentation.resize import Windows, keep_ratio_size, sample_pixels
from suite.segmentation.store import ImageStore, Ragged
from tests.support import mmseg_reference as reference
from tests.support.lookalikes import noise, save

MEAN, STD = (0.4, 0.5, 0.3), (0.2, 0.25, 0.3)
RECIPE = SlideRecipe(crop_px=32, stride_px=12, scale=(128, 40), batch_size=5)
SIZES = [(40, 61), (70, 33), (29, 120), (50, 50), (8, 90)]
"""The third and the last have a side below the crop after resizing."""
PATCH = 8


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return ImageStore([write_set(root, "coarse", 3), write_set(root, "fine", 11)])


def write_set(root, name, classes):
    records = []
    for i, (height, width) in enumerate(SIZES):
        image = save(root / f"{i}.jpg", noise(height, width, i), file_format="PNG")
        path = root / name / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        labels = np.random.default_rng([classes, i]).integers(0, classes + 1, (height, width), dtype=np.uint8)
        Image.fromarray(labels).save(path)
        records.append((image, path))
    return SegmentationSet(name, tuple(records), tuple(f"class {i}" for i in range(classes)))


def encode(pixels):
    """Features of 8-pixel patches that depend on each patch alone."""
    return torch.cat([F.avg_pool2d(pixels, PATCH), F.max_pool2d(pixels, PATCH)], dim=1)


def head(classes, seed):
    layer = nn.Conv2d(6, classes, 1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
    return layer.requires_grad_(False)


HEADS = {"coarse": head(3, 0), "fine": head(11, 1), "fine x4": head(11, 1), "fine too": head(11, 2)}
SPECS = [
    HeadSpec("coarse", "coarse", 3),
    HeadSpec("fine", "fine", 11),
    HeadSpec("fine x4", "fine", 11, enlarge_first=4),
    HeadSpec("fine too", "fine", 11),
]


def run(store, recipe=RECIPE, heads=HEADS, **options):
    return evaluate(encode, heads, SPECS, store, recipe, mean=MEAN, std=STD, **options)


def expected(index, name):
    """Classes of an image by the reference, whole and on its own; its pixels resized as elsewhere tested."""
    image = noise(*SIZES[index], index)
    height, width = keep_ratio_size(*SIZES[index], RECIPE.scale)
    window = Windows(np.array([0]), np.array([[height, width]]), np.zeros((1, 2), int), np.array([False]))
    flat = Ragged(torch.from_numpy(image.reshape(-1, 3)), {}, np.array([0]), np.array([SIZES[index]]))
    pixels = (sample_pixels(flat, window, height, width)[0] / 255 - torch.tensor(MEAN)) / torch.tensor(STD)

    def logits_of(crop):
        if name == "fine x4":  # the paper's words: enlarge the features, then the head
            logits = HEADS[name](F.interpolate(encode(crop), scale_factor=4, mode="bilinear"))
        else:
            logits = HEADS[name](encode(crop))
        return F.interpolate(logits, size=crop.shape[-2:], mode="bilinear")

    return reference.slide(pixels.permute(2, 0, 1), logits_of, crop=32, stride=12, original=SIZES[index])


def test_predictions_and_counts_equal_the_reference(store):
    scores = run(store, keep=range(len(SIZES)))
    sets = {"coarse": "coarse", "fine": "fine", "fine x4": "fine", "fine too": "fine"}
    for name, score in scores.items():
        counts = SegmentationCounts(score.counts.num_classes)
        for index in range(len(SIZES)):
            classes = expected(index, name)
            assert np.array_equal(score.predictions[index], classes), (name, index)
            target = store._sets[sets[name]].mask(index)
            counts.update(classes, torch.from_numpy(target))
            for c in range(score.counts.num_classes):
                true, prediction = target == c, (classes.numpy() == c) & (target != 255)
                assert score.images.correct[index, c] == (true & prediction).sum()
                assert score.images.union[index, c] == (true | prediction).sum()
            assert score.images.labelled[index].sum() == (target != 255).sum()
        assert np.array_equal(score.counts.confusion, counts.confusion)
        assert score.predictions[0].dtype == np.uint8
    assert not np.array_equal(scores["fine"].counts.confusion, scores["fine too"].counts.confusion)
    assert not np.array_equal(scores["fine"].counts.confusion, scores["fine x4"].counts.confusion)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_scores_do_not_depend_on_how_windows_are_batched_or_heads_are_grouped(store, batch_size):
    every = run(store)
    batched = run(store, replace(RECIPE, batch_size=batch_size), heads={"fine": HEADS["fine"]})
    assert np.array_equal(batched["fine"].counts.confusion, every["fine"].counts.confusion)
    assert np.array_equal(batched["fine"].images.correct, every["fine"].images.correct)


def test_windows_are_encoded_once_and_in_full_batches(store):
    sizes = []

    def counted(pixels):
        sizes.append(len(pixels))
        assert pixels.shape[1:] == (3, 32, 32)
        return encode(pixels)

    evaluate(counted, HEADS, SPECS, store, RECIPE, mean=MEAN, std=STD)
    windows = 0
    for height, width in (keep_ratio_size(*size, RECIPE.scale) for size in SIZES):
        windows += np.prod([1 + max(0, -(-(side - 32) // 12)) for side in (height, width)])
    assert sum(sizes) == windows
    assert set(sizes[:-1]) == {5}


def test_only_the_images_asked_for_are_kept(store):
    assert list(run(store, keep=[3])["coarse"].predictions) == [3]
    assert run(store)["coarse"].predictions == {}


def test_enlarging_classes_in_groups_changes_no_bit():
    logits = torch.randn(2, 13, 4, 4, generator=torch.Generator().manual_seed(0))
    windows = [(0, 0, 32, 32), (0, 8, 32, 40)]
    whole = merge(logits, windows, (32, 40), (57, 70), 32)
    for chunk_bytes in (1, 3 * 4 * 57 * 70 * 5):
        assert torch.equal(merge(logits, windows, (32, 40), (57, 70), 32, chunk_bytes=chunk_bytes), whole)
    assert len(whole.unique()) > 5


def test_of_equally_likely_classes_the_first_is_taken():
    logits = torch.zeros(1, 6, 4, 4)
    logits[:, [2, 5]] = 1
    assert merge(logits, [(0, 0, 32, 32)], (32, 32), (32, 32), 32, chunk_bytes=1).unique().tolist() == [2]


def test_scores_of_single_images_by_hand(store):
    counts, score = run(store)["coarse"].counts, run(store)["coarse"].images
    iou = [
        np.mean([i / u for i, u in zip(*rows, strict=True) if u])
        for rows in zip(score.correct, score.union, strict=True)
    ]
    assert score.image_iou == pytest.approx(iou)
    assert score.correct.sum(axis=0).tolist() == counts.confusion.diagonal().tolist()


def test_what_is_read_off_the_images_is_what_the_whole_confusion_says(store):
    for score in run(store).values():
        percentages = score.images.percent()
        assert percentages["miou"] == pytest.approx(100 * score.counts.mean_iou, abs=1e-12)
        assert percentages["macc"] == pytest.approx(100 * score.counts.mean_accuracy, abs=1e-12)
        assert percentages["aacc"] == pytest.approx(100 * score.counts.pixel_accuracy, abs=1e-12)


def test_counts_without_their_zeros_are_the_same_counts(store):
    runs = [run(store)["fine"].images, run(store)["fine too"].images]
    packed = pack(runs)
    assert {name: array.dtype for name, array in packed.items()} == {
        "sizes": np.uint8,
        "classes": np.uint8,
        "pixels": np.uint32,
    }
    there = sum(int((counts.union > 0).sum()) for counts in runs)
    assert packed["sizes"].shape == (2, len(SIZES))
    assert sum(array.nbytes for array in packed.values()) == 13 * there + 2 * len(SIZES)
    for before, after in zip(runs, unpack(packed), strict=True):
        width = after.correct.shape[1]
        for part in ("correct", "predicted", "labelled"):
            whole = getattr(before, part)
            assert np.array_equal(getattr(after, part), whole[:, :width]), part
            assert not whole[:, width:].any(), part


@pytest.mark.parametrize("part", ["classes", "pixels", "sizes"])
def test_counts_that_do_not_fit_together_are_refused(store, part):
    packed = pack([run(store)["fine"].images])
    packed[part] = packed[part][:, :-1] if part == "sizes" else packed[part][:-1]
    with pytest.raises(ValueError, match="counts: expected"):
        unpack(packed)


def test_an_image_without_labels_has_no_score(tmp_path):
    labels = write_set(tmp_path, "coarse", 3)
    Image.fromarray(np.zeros(SIZES[1], dtype=np.uint8)).save(labels.records[1][1])
    score = run(ImageStore([labels]), heads={"coarse": HEADS["coarse"]})["coarse"].images
    assert np.isnan(score.image_iou).tolist() == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("heads", "specs", "message"),
    [
        ({}, SPECS, "evaluation of segmentation: expected at least one head, got none"),
        ({"a": HEADS["fine"]}, SPECS, "head 'a': expected a label set among coarse, fine, got no specification"),
        (
            {"a": HEADS["fine"]},
            [HeadSpec("a", "lip", 11)],
            "head 'a': expected a label set among coarse, fine, got 'lip'",
        ),
    ],
)
def test_heads_without_their_labels_are_refused(store, heads, specs, message):
    with pytest.raises(RequestError) as caught:
        evaluate(encode, heads, specs, store, RECIPE, mean=MEAN, std=STD)
    assert str(caught.value) == message
