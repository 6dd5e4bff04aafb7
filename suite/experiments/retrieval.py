"""Steps that object and part retrieval share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from suite.datasets.views import ViewSet
from suite.experiments.context import Context, Outcome
from suite.experiments.items import items_of
from suite.probes.retrieval import retrieval_scores
from suite.protocol.settings import Settings


def compared(settings: Sequence[str], encoder_token: str) -> dict[str, str]:
    """Map a setting to the vectors of an encoder that it compares.

    Args:
        settings: of the experiment.
        encoder_token: choice of the variant `encoder-token`: what "encoded" means.
    """
    return {s: "cls" if s == "encoded" and encoder_token == "cls" else s for s in settings}


def retrieve(trial: Context[Settings], views: ViewSet, *, transform: str) -> Outcome:
    """Score every setting of the encoder; nothing is trained, so no seed plays a part."""
    views = views.take(trial.request.limit)
    vectors = compared(trial.cell_settings, trial.choice("encoder-token"))
    features = trial.extract(views, transform, set(vectors.values()))
    outcome = Outcome(
        summaries={"split": f"{trial.experiment.title.lower()}: {len(views):,} queries and gallery items"}
    )
    items = {}
    for setting, name in vectors.items():
        scores = retrieval_scores(features.setting(name), views.labels)
        for metric in trial.experiment.metrics:
            outcome.values[f"{setting}/{metric}"] = [getattr(scores, metric)]
        outcome.summaries[setting] = summary(scores.per_query, views.labels, views.class_names)
        items[f"{setting}/ap"] = [scores.per_query]
        items[f"{setting}/ap_excluding_self"] = [scores.per_query_excluding_self]
    outcome.items = items_of(views, items, {"labels": views.labels.astype(np.int32)})
    return outcome


def summary(per_query: NDArray[np.float64], labels: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, object]:
    """Return quantiles of AP over queries, and its mean per class; fractions."""
    quantiles = np.quantile(per_query, [0, 0.25, 0.5, 0.75, 1]).round(6).tolist()
    classes = {names[c]: round(float(per_query[labels == c].mean()), 6) for c in np.unique(labels)}
    return {"queries": len(labels), "ap_quantiles": quantiles, "ap_by_class": classes}
