"""Patch search by chunks says what one matrix of all crops says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from suite.errors import DatasetError
from suite.experiments import searching as page
from suite.experiments.judge import Trial
from suite.run.request import make_request

NUMBERS = (1, 3, 4, 16, 27, 40, 41)
QUERIES = ("3:19", "16:29", "27:27")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Seven small images, two of them alike: all their crops tie."""
    folder, rng = tmp_path_factory.mktemp("search"), np.random.default_rng(0)
    place = folder / "data" / "imagenet1k" / "val" / "n01440764"
    place.mkdir(parents=True)
    drawn = rng.integers(0, 256, (len(NUMBERS), 12, 12, 3), dtype=np.uint8)
    drawn[-1] = drawn[-2]
    for number, pixels in zip(NUMBERS, drawn, strict=True):
        image = Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC)
        image.save(place / f"ILSVRC2012_val_{number:08d}.png")
    (folder / "data" / "imagenet1k" / "train" / "n01440764").mkdir(parents=True)
    image.save(folder / "data" / "imagenet1k" / "train" / "n01440764" / "n01440764_1.png")
    return trial_in(folder)


def trial_in(folder: Path, *variants: str) -> Trial:
    options = {"experiments": ["patch_search", "part_retrieval"], "encoders": ["dino"], "variants": variants}
    request = make_request(data=folder / "data", cache=folder / "cache", run=folder / "run", device="cpu", **options)
    [task] = [task for task in request.tasks() if task[0].name == "patch_search"]
    return Trial(request, *task)


def whole_matrix(trial: Trial, paths: list[Path], encoded: str = "encoded") -> dict[str, dict[str, float]]:
    """The plain way: all vectors at once, and one product for a query."""
    names = {"encoded": encoded, "projected": "projected"}
    features = trial.extract(page.crops(trial, paths), "square", set(names.values()), cached=False)
    rankings = {}
    for query in QUERIES:
        number, crop = map(int, query.split(":"))
        for setting in ("encoded", "projected"):
            vectors = normalize(features.setting(names[setting]).double(), dim=1)
            index = NUMBERS.index(number) * 49 + crop
            scores = vectors @ vectors[index]
            scores[index] = -2
            best = scores.sort(descending=True, stable=True)
            crops = [f"{NUMBERS[i // 49]}:{i % 49}" for i in best.indices[:24].tolist()]
            rankings[f"{query} {setting}"] = dict(zip(crops, best.values[:24].tolist(), strict=True))
    return rankings


@pytest.mark.parametrize(("token", "vectors"), [("patches", "encoded"), ("cls", "cls")])
def test_it_is_what_one_matrix_of_all_crops_says(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, token: str, vectors: str
) -> None:
    trial = trial_in(trial.request.run.parent, f"encoder-token={token}")
    paths = list(page.searched_files(trial).values())
    expected = whole_matrix(trial, paths, vectors)
    monkeypatch.setattr(page, "CHUNK", 3)
    summaries = page.patch_search(trial).summaries
    assert summaries.keys() == expected.keys()
    for query, neighbours in summaries.items():
        plain = expected[query]
        assert list(neighbours.values()) == pytest.approx(list(plain.values()), abs=6e-5), query
        distinct = {name for name, value in plain.items() if value > min(plain.values()) + 1e-6}
        assert distinct <= neighbours.keys(), query
    assert trial.cell_settings == ["encoded", "projected"]


@pytest.mark.slow
def test_where_chunks_end_does_not_matter(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = list(page.searched_files(trial).values())
    places = [page.place(query, list(NUMBERS)) for query in QUERIES]
    scores = []
    for chunk in (7, 1, 2, 4):
        monkeypatch.setattr(page, "CHUNK", chunk)
        scores.append(page.query_scores(trial, paths, places))
    assert scores[0]["encoded"].shape == (3, 7 * 49)
    for other in scores[1:]:
        assert all(torch.equal(scores[0][setting], other[setting]) for setting in ("encoded", "projected"))
    for setting, matrix in scores[0].items():
        self_scores = [matrix[row, image * 49 + crop].item() for row, (image, crop) in enumerate(places)]
        assert self_scores == pytest.approx([1, 1, 1], abs=1e-5), setting
        assert torch.equal(matrix[:, 5 * 49 : 6 * 49], matrix[:, 6 * 49 :]), "images that are alike tie exactly"


@pytest.mark.parametrize("width", [96, 768, 8_192, 65_536])
def test_a_score_does_not_depend_on_how_many_are_made(width: int) -> None:
    vectors = normalize(torch.randn(98, width, generator=torch.Generator().manual_seed(0)), dim=1)
    query = vectors[5]
    whole = page.similarities(vectors, query)
    parts = [page.similarities(part, query) for part in vectors.split(49)]
    assert torch.equal(whole, torch.cat(parts))
    torch.testing.assert_close(whole.double(), vectors.double() @ query.double(), atol=1e-6, rtol=0)


def test_a_query_whose_image_is_missing_is_named() -> None:
    with pytest.raises(DatasetError, match="validation image 13660"):
        page.place("13660:19", list(NUMBERS))
