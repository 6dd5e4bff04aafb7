from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from suite.datasets.segmentation import SegmentationSet
from suite.errors import DatasetError, RequestError
from suite.segmentation.store import PLACES, ImageStore, same_images
from tests.support.lookalikes import noise, save, truncate

SIZES = [(40, 61), (33, 20), (50, 50), (21, 64)]


def write_set(root, name, classes, *, seed=0, sizes=SIZES, stem="image"):
    """A label set; images are lossless and depend on `seed`, masks on the number of classes."""
    records = []
    for i, (height, width) in enumerate(sizes):
        image = save(root / name / "img" / f"{stem}_{i}.jpg", noise(height, width, seed + i), file_format="PNG")
        labels = np.random.default_rng(classes + i).integers(0, classes + 1, (height, width), dtype=np.uint8)
        mask = root / name / "ann" / f"{stem}_{i}.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(mask)
        records.append((image, mask))
    return SegmentationSet(name, tuple(records), tuple(f"class {i}" for i in range(classes)))


@pytest.mark.parametrize("place", PLACES)
def test_every_place_gives_the_pixels_and_labels_of_the_files(tmp_path, place):
    sets = [write_set(tmp_path, "coarse", 3), write_set(tmp_path, "fine", 9)]
    store = ImageStore(sets, place=place)
    assert (store.place, len(store), store.label_sets) == (place, 4, ("coarse", "fine"))
    assert store.num_classes == {"coarse": 3, "fine": 9}
    for _ in range(2):
        batch = store.fetch(np.array([2, 0, 2]))
        for at, index in enumerate([2, 0, 2]):
            height, width = batch.sizes[at]
            pixels = batch.pixels[batch.starts[at] :][: height * width].view(height, width, 3)
            assert np.array_equal(pixels, noise(*SIZES[index], index))
            for label_set in sets:
                assert np.array_equal(batch.mask(label_set.name, at), label_set.mask(index))


def test_of_central_images_and_masks_seven_eighths_of_each_side_are_seen(tmp_path):
    labels = replace(write_set(tmp_path, "coarse", 3), central=True)
    store = ImageStore([labels])
    assert store.sizes.tolist() == [[36, 53], [29, 18], [44, 44], [19, 56]]
    batch = store.fetch(np.array([1]))
    assert np.array_equal(batch.image(0), noise(*SIZES[1], 1)[2:31, 1:19])
    whole = replace(labels, central=False).mask(1)
    assert np.array_equal(batch.mask("coarse", 0), whole[2:31, 1:19])


def test_images_kept_from_disk_stay_within_the_budget_and_the_oldest_go(tmp_path):
    labels = write_set(tmp_path, "coarse", 3)
    pixels = [height * width * 4 for height, width in SIZES]
    store = ImageStore([labels], place="disk", budget=pixels[0] + pixels[3])
    reads = []
    read = store._read
    store._read = lambda index: reads.append(index) or read(index)
    for indices in ([0], [1], [0], [3], [0], [1]):
        store.fetch(np.array(indices))
    assert reads == [0, 1, 3, 1]  # 3 pushed 1 out, since 0 was used after it


def test_images_that_do_not_fit_are_left_on_disk(tmp_path):
    labels = write_set(tmp_path, "coarse", 3)
    size = sum(height * width * 4 for height, width in SIZES)
    assert ImageStore([labels]).size_bytes == size
    assert ImageStore([labels], budget=size).place == "device"
    assert ImageStore([labels], budget=size - 1).place == "disk"


def test_classes_of_each_mask_are_counted(tmp_path):
    labels = write_set(tmp_path, "coarse", 3)
    Image.fromarray(np.array([[0, 2, 2, 255]] * 3, dtype=np.uint8).repeat(16, 1)[:, :61].repeat(14, 0)[:40]).save(
        labels.records[0][1]
    )
    assert ImageStore([labels]).present["coarse"].tolist() == [1, 3, 3, 3]


def test_label_sets_are_grouped_by_their_images_not_their_folders(tmp_path):
    a, b = write_set(tmp_path, "a", 2), write_set(tmp_path, "b", 5)
    other_names = write_set(tmp_path, "c", 2, stem="photo")
    other_pixels = write_set(tmp_path, "d", 2, seed=9)
    fewer = write_set(tmp_path, "e", 2, sizes=SIZES[:3])
    groups = same_images([a, other_names, other_pixels, fewer, b])
    assert [[label_set.name for label_set in group] for group in groups] == [["a", "b"], ["d"], ["c"], ["e"]]


def test_sets_too_large_to_read_are_told_apart_by_names_and_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("suite.datasets.digests.CONTENT_LIMIT", 0)
    a, b, other = write_set(tmp_path, "a", 2), write_set(tmp_path, "b", 5), write_set(tmp_path, "d", 2, seed=9)
    save(other.records[0][0], noise(40, 80, 3), file_format="PNG")
    assert [[label_set.name for label_set in group] for group in same_images([a, b, other])] == [["a", "b"], ["d"]]


def test_a_store_of_different_images_is_refused(tmp_path):
    sets = [write_set(tmp_path, "a", 2), write_set(tmp_path, "b", 2, seed=5)]
    with pytest.raises(RequestError) as caught:
        ImageStore(sets)
    assert str(caught.value) == "image store: expected label sets of the same images, got a, b"
    with pytest.raises(RequestError, match="unknown place of an image store 'cloud': expected one of device, host"):
        ImageStore(sets[:1], place="cloud")


@pytest.mark.parametrize("place", PLACES)
def test_damaged_files_are_named(tmp_path, place):
    labels = write_set(tmp_path, "a", 2, sizes=[(64, 64), (64, 64)])
    image, mask = labels.records[1]
    truncate(image)
    with pytest.raises(DatasetError, match=rf"{image}: cannot be read"):
        ImageStore([labels], place=place).fetch(np.array([1]))
    save(image, noise(64, 64, 1), file_format="PNG")
    Image.fromarray(np.ones((64, 63), dtype=np.uint8)).save(mask)
    with pytest.raises(
        DatasetError, match=rf"{mask}: cannot be read \(expected 64 x 64 pixels, as its image has, got 63"
    ):
        ImageStore([labels], place=place)


def test_views_share_the_store(tmp_path):
    store = ImageStore([write_set(tmp_path, "a", 2)])
    one, two = store.fetch(np.array([0])), store.fetch(np.array([3, 1]))
    assert one.pixels.data_ptr() == two.pixels.data_ptr()
    assert isinstance(one.pixels, torch.Tensor)
