from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.datasets import views as module
from suite.datasets.views import View, ViewSet, render
from suite.errors import DatasetError
from tests.lookalikes import noise, save, truncate


def make(folder: Path, images: int = 5, boxes: int = 40) -> ViewSet:
    views = []
    for i in range(images):
        file = save(folder / f"{i}.png", noise(50, 50, i))
        views += [View(file, (j - 5, j - 9, j + 7, j + 3)) for j in range(boxes)]
    return ViewSet(views, np.arange(len(views)) % 3, ("a", "b", "c"))


def pixels(views: ViewSet, **how: int) -> np.ndarray:
    return np.concatenate([batch for _, batch in render(views.views, "square", 16, **how)])


def test_pixels_and_order_depend_neither_on_workers_nor_on_batches(tmp_path: Path) -> None:
    views = make(tmp_path)
    expected = [
        Image.open(v.image).crop(v.box).resize((16, 16), Image.Resampling.BICUBIC)  # type: ignore[arg-type]
        for v in views.views
    ]
    for workers, batch_size in ((1, 256), (1, 7), (3, 64)):
        found = pixels(views, workers=workers, batch_size=batch_size)
        np.testing.assert_array_equal(found, np.stack(expected))


def test_batches_are_full_and_say_where_they_start() -> None:
    views = [View(noise(8, 8, i)) for i in range(10)]
    batches = list(render(views, "square", 4, batch_size=4, workers=2))
    assert [(start, batch.shape, batch.dtype) for start, batch in batches] == [
        (0, (4, 4, 4, 3), np.uint8),
        (4, (4, 4, 4, 3), np.uint8),
        (8, (2, 4, 4, 3), np.uint8),
    ]


@pytest.mark.parametrize("workers", [1, 3])
def test_an_image_is_decoded_once_whatever_its_boxes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    views, decoded = make(tmp_path), []
    read = module.read_rgb
    monkeypatch.setattr(module, "read_rgb", lambda path: decoded.append(path.name) or read(path))
    pixels(views, workers=workers, batch_size=16)
    assert sorted(decoded) == [f"{i}.png" for i in range(5)]


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
