from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.datasets import views as module
from suite.datasets.views import View, ViewSet, by_image, render
from suite.errors import DatasetError
from tests.support.lookalikes import noise, save, truncate


def make(folder: Path, images: int = 5, boxes: int = 40) -> ViewSet:
    views = []
    for i in range(images):
        file = save(folder / f"{i}.png", noise(50, 50, i))
        views += [View(file, (j - 5, j - 9, j + 7, j + 3)) for j in range(boxes)]
    return ViewSet(views, np.arange(len(views)) % 3, ("a", "b", "c"))


def pixels(views: ViewSet, **how: int) -> np.ndarray:
    return np.concatenate([batch for _, batch in render(views.views, "square", 16, **how)])


def crop_of(view: View) -> np.ndarray:
    """The view by PIL alone."""
    with Image.open(view.image) as image:  # type: ignore[arg-type]
        return np.asarray(image.crop(view.box).resize((16, 16), Image.Resampling.BICUBIC))


def test_pixels_and_order_depend_neither_on_workers_nor_on_batches(tmp_path: Path) -> None:
    views = make(tmp_path)
    expected = [crop_of(view) for view in views.views]
    for workers, batch_size in ((1, 256), (1, 7), (3, 64)):
        crops = pixels(views, workers=workers, batch_size=batch_size)
        np.testing.assert_array_equal(crops, np.stack(expected))


def test_batches_are_full_and_say_whose_they_are() -> None:
    views = [View(noise(8, 8, i)) for i in range(10)]
    batches = list(render(views, "square", 4, batch_size=4, workers=2))
    assert [(indices.tolist(), batch.shape, batch.dtype) for indices, batch in batches] == [
        ([0, 1, 2, 3], (4, 4, 4, 3), np.uint8),
        ([4, 5, 6, 7], (4, 4, 4, 3), np.uint8),
        ([8, 9], (2, 4, 4, 3), np.uint8),
    ]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("scattered", [False, True])
def test_an_image_is_opened_once_whatever_its_boxes_and_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, scattered: bool
) -> None:
    views, opened = make(tmp_path), []
    if scattered:  # as COCO lists people
        views = views.subset(np.random.default_rng(0).permutation(len(views)))
    expected = [crop_of(view) for view in views.views]
    open_file = Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, **how: opened.append(Path(file.name).name) or open_file(file, **how)
    )
    crops = np.empty((len(views), 16, 16, 3), np.uint8)
    for indices, batch in render(views.views, "square", 16, batch_size=16, workers=workers):
        crops[indices] = batch
    assert sorted(opened) == [f"{i}.png" for i in range(5)]
    np.testing.assert_array_equal(crops, np.stack(expected))


def test_views_of_an_image_come_together_images_in_the_order_of_their_first_view() -> None:
    one, two = noise(4, 4, 1), noise(4, 4, 2)
    views = [View(Path("b")), View(one), View(Path("a")), View(Path("b")), View(two), View(one)]
    assert by_image(views).tolist() == [0, 3, 1, 5, 2, 4]
    assert by_image([]).tolist() == []
    many = [View((one, two)[i % 2]) for i in range(400)]
    assert by_image(many).tolist() == [*range(0, 400, 2), *range(1, 400, 2)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_image_stops_rendering_with_its_name(tmp_path: Path, workers: int) -> None:
    views = make(tmp_path)
    truncate(tmp_path / "3.png")
    with pytest.raises(DatasetError, match=r"3\.png: cannot be read"):
        pixels(views, workers=workers)


def test_rendering_can_be_abandoned_and_runs_only_a_little_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views, drawn = make(tmp_path, images=30, boxes=33), []
    draw = module._draw
    monkeypatch.setattr(module, "_draw", lambda piece, **how: drawn.append(1) or draw(piece, **how))
    batches = render(views.views, "square", 8, batch_size=8, workers=2)
    next(batches)
    batches.close()
    assert len(drawn) <= 6


def test_take_spreads_over_the_set_and_keeps_all_classes() -> None:
    views = ViewSet([View(noise(4, 4, i)) for i in range(9)], np.repeat([0, 1, 2], 3), ("a", "b", "c"))
    assert views.take(3).labels.tolist() == [0, 1, 2]
    assert views.take(None) is views
    assert len(views.take(100)) == 9
    chosen = views.subset([8, 0])
    assert [view.image for view in chosen.views] == [views.views[8].image, views.views[0].image]
    assert chosen.labels.tolist() == [2, 0]
    assert chosen.class_names == ("a", "b", "c")


def test_as_many_labels_as_views() -> None:
    with pytest.raises(DatasetError) as caught:
        ViewSet([View(noise(4, 4))], np.array([0, 1]), ("a", "b"))
    assert str(caught.value) == "view set: expected 1 labels, got 2"


def test_the_digest_knows_pixels_boxes_and_labels_but_not_the_place(tmp_path: Path) -> None:
    views = make(tmp_path / "here", 2, 2)
    same = make(tmp_path / "there", 2, 2)
    assert same.digest == views.digest
    box = [*views.views[:3], View(views.views[3].image, (0, 0, 9, 9))]
    others = [
        ViewSet(box, views.labels, views.class_names),
        ViewSet(views.views, views.labels[::-1], views.class_names),
        ViewSet(views.views, views.labels, ("a", "b", "d")),
        views.subset([0, 1, 2]),
    ]
    save(tmp_path / "there" / "1.png", noise(50, 50, 9))
    others.append(ViewSet(same.views, same.labels, same.class_names))
    assert len({views.digest, *(other.digest for other in others)}) == 6
