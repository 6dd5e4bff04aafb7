"""What object and part retrieval share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from suite.datasets.views import ViewSet
from suite.experiments.items import items_of
from suite.experiments.trial import Outcome, Trial
from suite.probes.retrieval import retrieval_scores


def retrieve(trial: Trial, views: ViewSet, *, transform: str) -> Outcome:
    """Score every setting of the encoder; nothing is trained, so no seed plays a part."""
    views = views.take(trial.request.limit)
    features = trial.extract(views, transform)
    outcome = Outcome(
        summaries={"split": f"{trial.experiment.title.lower()}: {len(views):,} queries and gallery items"}
    )
    items = {}
    for setting in trial.settings:
        by_cls = setting == "encoded" and trial.choice("encoder-token") == "cls"
        scores = retrieval_scores(features.setting("cls" if by_cls else setting), views.labels)
        for metric in trial.experiment.metrics:
            outcome.values[f"{setting}/{metric}"] = [getattr(scores, metric)]
        outcome.summaries[setting] = summary(scores.per_query, views.labels, views.class_names)
        items[f"{setting}/ap"] = [scores.per_query]
    outcome.items = items_of(views, items)
    return outcome


def summary(per_query: NDArray[np.float64], labels: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, object]:
    """Quantiles of AP over queries, and its mean per class; fractions."""
    quantiles = np.quantile(per_query, [0, 0.25, 0.5, 0.75, 1]).round(6).tolist()
    classes = {names[c]: round(float(per_query[labels == c].mean()), 6) for c in np.unique(labels)}
    return {"queries": len(labels), "ap_quantiles": quantiles, "ap_by_class": classes}
