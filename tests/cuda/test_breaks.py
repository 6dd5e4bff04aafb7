"""Breaking device placement anywhere is seen by a walk: the walks are worth something."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from suite.errors import SuiteError
from tests.support.card import card
from tests.support.card_walks import WALKS, broken_code

BREAKS = [
    ("encoder", "suite.encoders.forward:Forward._pass", ".to(self.encoder.device, non_blocking=True)", ""),
    ("encoder", "suite.encoders.forward:Forward.__init__", ", device=encoder.device", ""),
    ("encoder", "suite.encoders.load:load_encoder", "encoder.to(device=device, ", "encoder.to("),
    ("features", "suite.features.extract:_encode", ".float().cpu()", ".float()"),
    ("probes", "suite.probes.learner:ProbeLearner.__init__", ".to(device)", ""),
    ("probes", "suite.probes.bank:evaluate_pooled", ".to(next(learner.head.parameters()))", ""),
    ("probes", "suite.probes.bank:_Rounds.learn", "].to(labels.device)", "]"),
    ("toy_heads", "suite.segmentation.bank:HeadLearner.__init__", ".to(device)", ""),
    ("segmentation", "suite.segmentation.bank:HeadLearner._logits", ".to(features.device)", ""),
    ("segmentation", "suite.segmentation.store:ImageStore._join", ".to(self.device, non_blocking=True)", ""),
    ("segmentation", "suite.segmentation.evaluate:_scores", ".cpu().numpy()", ".numpy()"),
    ("segmentation", "suite.segmentation.evaluate:merge", "torch.int64, device", "torch.float32, device"),
    ("tiled_loss", "suite.probes.tiled_loss:_TiledLoss.forward", "dtype=exact, device=places.device", "dtype=exact"),
    ("retrieval", "suite.metrics.ranking:_product", ".cpu().numpy()", ".numpy()"),
    ("pipeline", "suite.imagenet_pipeline.images:ImageStream._begin", ".to(self.device, non_blocking=True)", ""),
    ("pipeline", "suite.imagenet_pipeline.device:DeviceDecoder._pixels", ".to(self.device, non_blocking=True)", ""),
    ("pipeline", "suite.imagenet_pipeline.tokens:TokenStream.tokens", ".to(tokens.device)", ""),
]
"""Walk, function, what is broken in it, and how."""


@pytest.mark.slow
@pytest.mark.parametrize(("walk", "place", "old", "new"), BREAKS, ids=[place for _, place, _, _ in BREAKS])
def test_a_broken_placement_is_seen(
    walk: str, place: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, code = broken_code(place, old, new)
    monkeypatch.setattr(function, "__code__", code)
    with card(monkeypatch), pytest.raises((RuntimeError, TypeError, AssertionError, SuiteError)) as caught:
        WALKS[walk]("cuda", tmp_path)
    assert not isinstance(caught.value, torch.OutOfMemoryError)


def test_a_break_that_does_not_fit_the_code_is_told() -> None:
    with pytest.raises(AssertionError, match=r"_encode: expected '\.double\(\)' once: 0 times"):
        broken_code("suite.features.extract:_encode", ".double()", "")
