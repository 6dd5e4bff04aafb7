"""One network a run: who comes with another one is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.core.digests import digest_of
from suite.errors import RequestError
from suite.run.networks import NETWORKS, agree, forget_networks, note_passed

FACTS = {"weights": "a" * 64, "code": "b" * 64, "tokens": "c" * 64}


@pytest.mark.parametrize(
    ("spec", "change", "difference", "cause"),
    [
        (
            "my:build",
            {"weights": "d" * 64, "tokens": "e" * 64},
            "(weights aaaaaaaaaaaa), got another (weights dddddddddddd)",
            "the factory draws its weights anew each time: load a checkpoint or set a seed",
        ),
        (
            "my:build",
            {"tokens": "e" * 64},
            "(tokens cccccccccccc), got another (tokens eeeeeeeeeeee)",
            "with the same weights it makes other tokens: what else it reads (environment variables, data files) "
            "has changed, or its forward pass draws at random",
        ),
        (
            "my:build",
            {"code": "e" * 64, "tokens": "f" * 64},
            "(code bbbbbbbbbbbb), got another (code eeeeeeeeeeee)",
            "its source files were edited meanwhile: start the run again",
        ),
        (
            "dino@x.pth",
            {"weights": "d" * 64},
            "(weights aaaaaaaaaaaa), got another (weights dddddddddddd)",
            "its file was replaced meanwhile: start the run again",
        ),
        (
            "timm:vit@x.pth",
            {"weights": "d" * 64},
            "(weights aaaaaaaaaaaa), got another (weights dddddddddddd)",
            "its file was replaced meanwhile: start the run again",
        ),
    ],
)
def test_another_network_than_the_checked_one_is_refused(
    tmp_path: Path, spec: str, change: dict, difference: str, cause: str
) -> None:
    note_passed(tmp_path, spec, FACTS | {"patch_size": 8}, {})
    agree(tmp_path, spec, FACTS, place="part_retrieval/cub200/my-build")
    agree(tmp_path, "other:build", FACTS | change, place="part_retrieval/cub200/other-build")
    with pytest.raises(RequestError) as caught:
        agree(tmp_path, spec, FACTS | change, place="part_retrieval/cub200/my-build")
    (path,) = (path for path in (tmp_path / NETWORKS).iterdir() if digest_of(spec)[:20] in path.name)
    assert str(caught.value) == (
        f"encoder {spec!r}: part_retrieval/cub200/my-build: expected the network of the conformance checks "
        f"{difference.replace('), got', f'), noted in {path}, got')}: nothing is measured with it: {cause}"
    )
    assert [path.suffix for path in (tmp_path / NETWORKS).iterdir()] == [".json", ".json"]


def test_the_first_trial_of_a_run_decides_and_the_next_run_decides_anew(tmp_path: Path) -> None:
    agree(tmp_path, "my:build", FACTS, place="one/data/my-build")
    with pytest.raises(RequestError, match="expected the network of one/data/my-build "):
        agree(tmp_path, "my:build", FACTS | {"weights": "d" * 64}, place="two/data/my-build")
    forget_networks(tmp_path)
    agree(tmp_path, "my:build", FACTS | {"weights": "d" * 64}, place="two/data/my-build")


def test_a_choice_of_the_network_in_a_file_is_another_network(tmp_path: Path) -> None:
    other = FACTS | {"weights": "d" * 64}
    teacher, student = ({"dino-weights": choice, "keypoint-box": "full"} for choice in ("teacher", "student"))
    note_passed(tmp_path, "dino@x.pth", FACTS, teacher)
    agree(tmp_path, "dino@x.pth", other, place="one/data/dino@x.pth", variants=student)
    with pytest.raises(RequestError, match=r": expected the network of one/data/dino@x\.pth "):
        agree(tmp_path, "dino@x.pth", FACTS, place="two/data/dino@x.pth", variants=student)
    with pytest.raises(RequestError, match=": expected the network of the conformance checks "):
        agree(tmp_path, "dino@x.pth", other, place="three/data/dino@x.pth", variants=teacher)
    agree(tmp_path, "my:build", FACTS, place="one/data/my-build", variants=teacher)
    agree(tmp_path, "my:build", FACTS, place="two/data/my-build", variants=student)
