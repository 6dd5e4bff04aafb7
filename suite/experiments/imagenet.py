"""Probes on a stream of augmented images: what image classification is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from suite.core.digests import digest_of
from suite.core.memory import note_backoff
from suite.datasets.pixels import resizing
from suite.datasets.views import ViewSet
from suite.encoders.forward import smaller_passes
from suite.errors import DatasetError, SuiteError
from suite.experiments.context import Context, Outcome
from suite.experiments.probing import Split, measure, train_probes
from suite.imagenet_pipeline.decode import Decoder
from suite.imagenet_pipeline.images import ImageStream
from suite.imagenet_pipeline.parity import choose_decoder
from suite.imagenet_pipeline.tokens import Encode, TokenStream, token_encoder
from suite.probes.learner import ProbeLearner
from suite.probes.sources import token_bytes
from suite.protocol.settings import StreamSettings
from suite.run.leases import LEASES
from suite.training.distributed import World, run_together

KEPT_BYTES = 4 << 30
"""Evaluation tokens up to this size are kept between epochs."""

StreamTrial = Context[StreamSettings]
Probes = dict[str, ProbeLearner]
_TRAINED: dict[str, Probes] = {}
"""Probes by setting that this process has trained along with another trial's, by the digest of all they depend on."""


def probe_stream(trial: StreamTrial, train: ViewSet, test: ViewSet) -> Outcome:
    """Fit the trial's probes, once per seed, and report their accuracy on the evaluation images."""
    train, test = train.take(trial.request.limit), test.take(trial.request.limit)
    decoder, comparison = choose_decoder(files(train), trial.encoder.image_size, trial.request.device)
    outcome = measure(trial, train, test, lambda seed: fit(trial, train, test, seed=seed, decoder=decoder))
    protocol = trial.choice("imagenet-protocol")
    outcome.summaries |= {"imagenet_protocol": protocol, "decoder": f"{decoder}; against PIL: {comparison}"}
    return outcome


def fit(trial: StreamTrial, train: ViewSet, test: ViewSet, *, seed: int, decoder: Decoder) -> Probes:
    """Return the trained probes by setting; where encoders share a stream, the others' are kept for their trials."""
    digest = _digest(trial, seed)
    if digest not in _TRAINED:
        trials, gpus = [trial, *_companions(trial)], [lease.index for lease in LEASES]
        processes, device = trial.request.processes_per_probe, trial.request.device
        probes = run_together(processes, device, gpus, train_stream, trials, (train, test), seed, decoder)
        _TRAINED.update({_digest(member, seed): probes[member.spec] for member in trials})
    return _TRAINED.pop(digest)


def train_stream(
    trials: Sequence[StreamTrial], splits: tuple[ViewSet, ViewSet], seed: int, decoder: Decoder, world: World
) -> dict[str, Probes]:
    """Train, in each of a world's processes, the probes of all trials on one stream, by encoder spec."""
    (train, test), first = splits, trials[0]
    train_tokens = _stream(
        trials, train, seed=seed, decoder=decoder, cached_views=first.settings.augmented_views or None
    )
    test_tokens = _stream(trials, test, decoder=decoder, cached_views=_evaluation_views(first, len(test)))
    token_inputs = [first.settings.augmented_views, first.settings.autocast, decoder]
    probes = train_probes(
        trials, Split(train, train_tokens), Split(test, test_tokens), seed=seed, token_inputs=token_inputs, world=world
    )
    if world.rank:  # the first process asks its own encoders
        for text in (text for trial in trials for text in smaller_passes(trial.encoder)):
            note_backoff(text)
    return probes


def files(views: ViewSet) -> list[Path]:
    """Return the files of whole-image views.

    Raises:
        DatasetError: a view is a part of an image, or not a file.
    """
    paths = [view.image for view in views.views if isinstance(view.image, Path) and view.box is None]
    if len(paths) < len(views):
        raise DatasetError(f"image stream: expected {len(views)} whole image files, got {len(paths)}")
    return paths


def _digest(trial: StreamTrial, seed: int) -> str:
    return digest_of([str(trial.key), trial.inputs(), seed])


def _companions(trial: StreamTrial) -> Iterator[StreamTrial]:
    """Yield the request's other encoders that may share this one's stream, if they have no fresh result yet.

    Where an encoder cannot be loaded, its own test will say so.
    """
    if not trial.request.share_stream:
        return
    for experiment, dataset, spec in trial.request.tasks():
        companion = StreamTrial(trial.request, experiment, dataset, spec)
        if (experiment.name, dataset) != (trial.experiment.name, trial.dataset) or spec == trial.spec:
            continue
        try:
            same_size = companion.encoder.image_size == trial.encoder.image_size
            if same_size and companion.stored() is None:
                yield companion
        except SuiteError:
            continue


def _stream(
    trials: Sequence[StreamTrial],
    views: ViewSet,
    *,
    decoder: Decoder,
    cached_views: int | None,
    seed: int | None = None,
) -> TokenStream:
    """Return the stream, augmented by the seed, or with none as evaluation sees images."""
    size, forward_batch_size = trials[0].encoder.image_size, trials[0].forward_batch_size
    images = ImageStream(
        files(views),
        size,
        augment=seed is not None,
        seed=seed or 0,
        decoder=decoder,
        device=trials[0].request.device,
        resize=resizing(trials[0].factors, protocol="bicubic", antialias=True),
        whole=trials[0].factors.get("crop-ratio") == "1",
    )
    return TokenStream(
        images, {t.spec: _encode(t) for t in trials}, forward_batch_size=forward_batch_size, views=cached_views
    )


def _encode(trial: StreamTrial) -> Encode:
    dtype_name = trial.settings.autocast
    return token_encoder(
        trial.encoder,
        forward_batch_size=trial.forward_batch_size,
        autocast=None if dtype_name == "none" or trial.request.device == "cpu" else getattr(torch, dtype_name),
        permute=trial.permuted,
    )


def _evaluation_views(trial: StreamTrial, items: int) -> int | None:
    """Tell, as a number of views for `TokenStream`, whether evaluation tokens stay in memory between epochs."""
    encoder = trial.encoder
    tokens = 1 + (encoder.image_size // encoder.patch_size) ** 2
    return 1 if stays(token_bytes(items, tokens, encoder.embed_dim)) else None


def stays(size: int) -> bool:
    """Tell whether evaluation tokens of `size` bytes stay in memory between epochs."""
    return size <= KEPT_BYTES
