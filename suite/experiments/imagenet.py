"""Probes on a stream of augmented images: what image classification is made of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.datasets.views import ViewSet
from suite.distributed import ALONE, World
from suite.errors import DatasetError
from suite.experiments.items import items_of
from suite.experiments.probing import attention_heads
from suite.experiments.trial import Outcome, Trial
from suite.features import identity
from suite.probes.bank import OnRound, judge_pooled, train_bank
from suite.probes.learner import ProbeLearner, ProbeSpec, Schedule
from suite.results import Key, write_json
from suite.signals import stop_on_signals
from suite.stream.decode import Decoder
from suite.stream.images import ImageStream
from suite.stream.parity import choose_decoder
from suite.stream.tokens import TokenStream, token_encoder

KEPT_BYTES = 4 << 30
"""Evaluation tokens up to this size are kept between epochs."""
EVALUATED_AT_ONCE = 1024
"""Evaluation images whose tokens are held at a time."""
PROGRESS_S = 10.0
"""Seconds between two notes of how far a training is."""


def probe_stream(trial: Trial, train: ViewSet, test: ViewSet) -> Outcome:
    """Fit all probes side by side, once per seed, and report their accuracy on the test images.

    The accuracy after the last epoch is the result; the best epoch's, which selects on the test split, is kept
    beside it.
    """
    train, test = train.take(trial.request.limit), test.take(trial.request.limit)
    decoder, found = choose_decoder(files(train), trial.encoder.image_size)
    outcome = Outcome(seeded=True)
    outcome.summaries = {
        "split": f"{trial.experiment.title.lower()}: {len(train):,} training, {len(test):,} evaluation views",
        "train_items": len(train),
        "test_items": len(test),
        "classes": len(train.class_names),
        "imagenet_protocol": trial.choice("imagenet-protocol"),
        "decoder": f"{decoder}; against PIL: {found}",
    }
    metric = trial.experiment.metrics[0]
    correct: dict[str, list[NDArray[np.bool_]]] = {}
    for seed in trial.seeds:
        for setting, probe in Fit(trial, train, test, seed=seed, decoder=decoder).run().items():
            accuracy = [100 * value for _, value in probe.accuracy]
            best = trial.choice("probe-epoch") == "best"
            name = f"{setting}/{metric}"
            outcome.values.setdefault(name, []).append(max(accuracy) if best else accuracy[-1])
            correct.setdefault(name, []).append(probe.correct["best" if best else "last"].numpy())
            summary = {"seed": seed, "last": accuracy[-1], "best": max(accuracy)}
            outcome.summaries.setdefault(setting, []).append(summary)
    outcome.items = items_of(test, correct)
    return outcome


def files(views: ViewSet) -> list[Path]:
    """The files of whole-image views.

    Raises:
        DatasetError: a view is a part of an image, or not a file.
    """
    paths = [view.image for view in views.views if isinstance(view.image, Path) and view.box is None]
    if len(paths) < len(views):
        raise DatasetError(f"image stream: expected {len(views)} whole image files, got {len(paths)}")
    return paths


def probe_specs(trial: Trial, classes: int, *, items: int, seed: int) -> list[ProbeSpec]:
    """The probes of a trial, by the protocol that its variant names.

    CAE's code drops the incomplete last batch of an epoch; a smoke run that has no other keeps it.
    """
    epochs, width = trial["epochs"], trial.encoder.embed_dim
    shared: dict[str, Any] = {
        "encoder": trial.spec,
        "embed_dim": width,
        "num_classes": classes,
        "num_heads": attention_heads(width, trial["num_heads"]),
        "eval_statistics": trial.choice("bn-statistics"),
        "seed": seed,
    }
    if trial.choice("imagenet-protocol") == "summary":
        rates = {"linear": trial["lr_linear"], "attentive": trial["lr_attentive"]}
        own: Mapping[str, dict[str, Any]] = {
            name: {"kind": name, "lr": rate, "batch_size": trial["batch_size"], "schedule": Schedule(epochs)}
            for name, rate in rates.items()
        }
    else:
        own = {
            "linear": {
                "kind": "normed_linear",
                "optimizer": "lars",
                "lr": trial["cae_lr_linear"],
                "batch_size": trial["cae_batch_linear"],
                "schedule": Schedule(epochs, trial["cae_warmup_epochs"], 0.0, per_step=True),
                "drop_last": items >= trial["cae_batch_linear"],
            },
            "attentive": {
                "kind": "attentive",
                "lr": trial["cae_lr_attentive"],
                "batch_size": trial["cae_batch_attentive"],
                "schedule": Schedule(
                    epochs, trial["cae_warmup_epochs"], trial["cae_final_lr_attentive"], per_step=True
                ),
                "drop_last": items >= trial["cae_batch_attentive"],
            },
        }
    return [ProbeSpec(name=setting, **shared, **own[setting]) for setting in trial.settings]


def progress_file(run: Path, key: Key, seed: int) -> OnRound:
    """Notes rounds done and time left in `training/<trial>.json` of the run folder, every few seconds.

    The trial may run in another process than the terminal's, and pytest holds back what it prints.
    """
    path = run / "training" / f"{key.experiment}-{key.dataset}-{key.method}.json"
    noted = -PROGRESS_S

    def note(done: int, rounds: int, left_s: float) -> None:
        nonlocal noted
        now = time.monotonic()
        if done == rounds:
            path.unlink(missing_ok=True)
        elif now - noted >= PROGRESS_S:
            noted = now
            write_json(path, {"seed": seed, "round": done, "rounds": rounds, "seconds_left": round(left_s)})

    return note


class Fit:
    """The probes of one trial and one seed."""

    def __init__(self, trial: Trial, train: ViewSet, test: ViewSet, *, seed: int, decoder: Decoder) -> None:
        self.trial, self.train, self.test, self.seed, self.decoder = trial, train, test, seed, decoder
        self.world = ALONE
        self.pass_size: int = trial.request.profile["batch_size"]
        lower = None if trial["autocast"] == "none" or trial.request.device == "cpu" else trial["autocast"]
        permute = trial.spec == "mae" and trial.choice("mae-order") == "permuted"
        autocast = None if lower is None else getattr(torch, lower)
        self.encode = token_encoder(trial.encoder, pass_size=self.pass_size, autocast=autocast, permute=permute)

    def run(self, world: World = ALONE) -> dict[str, ProbeLearner]:
        """Train them, from where a checkpoint says, and return them by setting.

        Args:
            world: the processes that share every batch; each calls this.
        """
        trial, self.world = self.trial, world
        in_main_thread = threading.current_thread() is threading.main_thread()
        with stop_on_signals() if in_main_thread else nullcontext(lambda: False) as stop:
            return train_bank(
                probe_specs(trial, len(self.train.class_names), items=len(self.train), seed=self.seed),
                self._stream(self.train, augment=True, kept=trial["augmented_views"] or None),
                torch.from_numpy(self.train.labels),
                seed=self.seed,
                judge=self._judge(),
                device=trial.request.device,
                world=world,
                identity=self._identity(),
                checkpoints=trial.request.cache / "probes",
                on_round=progress_file(trial.request.run, trial.key, self.seed),
                stop=stop,
            )

    def _stream(self, views: ViewSet, *, augment: bool, kept: int | None) -> TokenStream:
        size = self.trial.encoder.image_size
        images = ImageStream(files(views), size, augment=augment, seed=self.seed, decoder=self.decoder)
        return TokenStream(images, {self.trial.spec: self.encode}, pass_size=self.pass_size, views=kept)

    def _judge(self) -> Callable[[Sequence[ProbeLearner]], Mapping[str, Tensor]]:
        """What is called after each epoch; evaluation tokens are kept where they are few."""
        encoder = self.trial.encoder
        per_image = encoder.embed_dim * (1 + (encoder.image_size // encoder.patch_size) ** 2) * 4
        kept = 1 if per_image * len(self.test) <= KEPT_BYTES else None
        stream = self._stream(self.test, augment=False, kept=kept)
        chunks = torch.arange(len(self.test)).split(EVALUATED_AT_ONCE)
        labels = torch.from_numpy(self.test.labels)

        def judge(probes: Sequence[ProbeLearner]) -> Mapping[str, Tensor]:
            tokens = stream.tokens(0, [self.world.share(chunk) for chunk in chunks])
            return judge_pooled(probes, chunks, tokens, labels, batch_size=self.trial["eval_batch_size"])

        return judge

    def _identity(self) -> object:
        """What the weights and evaluations depend on, besides the probes' own description."""
        trial = self.trial
        choices = [trial.choice(name) for name in ("mae-order", "dino-weights", "deit-weights", "ibot-weights")]
        numbers = [trial[name] for name in ("augmented_views", "autocast", "eval_batch_size")]
        return [identity(trial.encoder), choices, numbers, self.train.digest, self.test.digest, self.decoder]
