"""The segmentation heads of one encoder on the same images: trained side by side, scored in one pass.

A test asks for its own heads; those of the other tests of the same images that are still to be measured come along,
since a head costs little beside the encoder (the official code trains each alone).
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from suite.cells import release_of
from suite.core.digests import digest_of
from suite.core.files import write_atomically, write_json
from suite.core.numerics import environment_of
from suite.core.signals import stop_on_signals
from suite.datasets.segmentation import SegmentationSet, segmentation
from suite.datasets.segmentation_classes import CLASSES
from suite.errors import StorageError, SuiteError
from suite.experiments.context import Context
from suite.features import identity
from suite.protocol.constants import constant
from suite.protocol.settings import SegmentationSettings
from suite.registry import images_of
from suite.results.image_counts import ImageCounts, pack, unpack
from suite.segmentation.augment import mirror_table
from suite.segmentation.auxiliary import MAP
from suite.segmentation.bank import Head, HeadSpec
from suite.segmentation.crops import CropRecipe, Crops
from suite.segmentation.encode import Encode, blocks_at, layer_features
from suite.segmentation.evaluate import HeadScores, SlideRecipe, evaluate
from suite.segmentation.store import ImageStore, same_images
from suite.segmentation.train import train_bank
from suite.training.progress import progress_file

LAYER_DECAY: tuple[str, ...] = constant("segmentation", "bias_spared")
"""Methods whose configs use layer decay, which spares biases (official code, configs_local)."""
PASS = 8
"""Crops an encoder sees at once: a bank's crops vary in number, and the rounding of none may depend on it."""
ENLARGED_FIRST: int = constant("segmentation", "enlarged_first")
"""Factor by which features are enlarged before the head in the variant `segmentation-upsampling=x4-first`."""
METRICS = {"miou": "mean_iou", "macc": "mean_accuracy", "aacc": "pixel_accuracy"}
SPLITS = {dataset: {"train": "train", "val": "val"} for dataset in CLASSES}
Percent = dict[str, float]
HeadsTrial = Context[SegmentationSettings]


@dataclass(frozen=True)
class Fitted:
    """A trained head, judged.

    Attributes:
        scores: on the validation images, after the last iteration.
        losses: of every step.
        history: (iterations done, metric -> per cent) of every evaluation, the last one included.
        best: what was counted in the best of them; None unless the protocol takes that one.
        auxiliary: the head that was trained beside it, where one was.
    """

    scores: HeadScores
    losses: list[float]
    history: list[tuple[int, Percent]]
    best: ImageCounts | None = None
    auxiliary: Fitted | None = None


_FITTED: dict[tuple[str, str], Fitted] = {}
"""Heads trained by this process, by the digest of everything they depend on and the evaluation that counts."""


def fit(trial: HeadsTrial, seed: int) -> dict[str, Fitted]:
    """Train and score the trial's heads: setting -> what came of it.

    Raises:
        DatasetError: images or masks are missing or damaged.
        StorageError: a checkpoint cannot be written.
    """
    trial_heads, epoch = Heads(trial, seed), trial.choice("probe-epoch")
    if not all((digest, epoch) in _FITTED for digest in trial_heads.digests.values()):
        new_heads = _train([trial_heads, *_companions(trial, seed)])
        _FITTED.update({(digest, epoch): head for digest, head in new_heads.items()})
    heads = {setting: _FITTED[trial_heads.digests[spec.name], epoch] for setting, spec in trial_heads.specs.items()}
    auxiliaries = {
        setting: _FITTED[trial_heads.digests[spec.name], epoch] for setting, spec in trial_heads.auxiliaries.items()
    }
    return {setting: replace(head, auxiliary=auxiliaries.get(setting)) for setting, head in heads.items()}


def masks(trial: HeadsTrial, split: str) -> SegmentationSet:
    """Return images and masks of a split."""
    return segmentation(trial.dataset, trial.root, split)


def label_set(trial: HeadsTrial, split: str) -> SegmentationSet:
    """Return images and masks of a split, at most `limit` of them."""
    images = masks(trial, split)
    return replace(images, records=images.records[: trial.request.limit])


class Heads:
    """The heads that one trial asks for, with one seed: one, or one per learning rate of a sweep.

    Attributes:
        specs: setting -> the decode head.
        auxiliaries: setting -> the head beside it; none where the variant drops them.
    """

    def __init__(self, trial: HeadsTrial, seed: int) -> None:
        """Read which images there are.

        Raises:
            DatasetError: a folder is missing, or an image has no mask.
        """
        self.trial, self.seed = trial, seed
        self.train, self.val = label_set(trial, "train"), label_set(trial, "val")
        self.mirrored = trial.choice("flip-labels") == "swapped"
        spares_bias = trial.choice("segmentation-decay") == "method" and release_of(trial.spec) in LAYER_DECAY
        self.specs = {
            setting: HeadSpec(
                name=f"{trial.dataset} lr {rate:g}",
                label_set=trial.dataset,
                num_classes=self.train.num_classes,
                lr=rate,
                weight_decay=trial.settings.weight_decay,
                decay_bias=not spares_bias,
                seed=seed,
                enlarge_first=ENLARGED_FIRST if trial.choice("segmentation-upsampling") == "x4-first" else 1,
                data=digest_of([self.train.digest, self.mirrored]),
            )
            for setting, rate in ((s, rate_of(s, trial.settings.lr)) for s in trial.cell_settings)
        }

        has_auxiliary = trial.choice("segmentation-auxiliary") == "trained"
        width = trial.encoder.embed_dim
        self.auxiliaries = {s: _auxiliary(spec, width) for s, spec in self.specs.items() if has_auxiliary}

    @property
    def specs_trained(self) -> list[HeadSpec]:
        """Every head to train."""
        return [*self.specs.values(), *self.auxiliaries.values()]

    @functools.cached_property
    def digests(self) -> dict[str, str]:
        """Head's name -> digest of everything that its scores depend on."""
        environment = environment_of(self.trial.request.device)
        shared = [training_identity(self.trial, self.seed), self.val.digest, _slide(self.trial).__dict__, environment]
        return {spec.name: digest_of([shared, asdict(spec)]) for spec in self.specs_trained}


def _auxiliary(spec: HeadSpec, width: int) -> HeadSpec:
    """Return the head beside a decode head; the official code enlarges its logits in one step."""
    channels = (MAP * width, (MAP + 1) * width)
    return replace(spec, name=f"{spec.name} auxiliary", enlarge_first=1, auxiliary=channels)


def training_identity(trial: HeadsTrial, seed: int) -> object:
    """Return what the weights of every head of these images depend on, besides its own description."""
    variants = {name: trial.choice(name) for name in ("dino-weights", "deit-weights", "ibot-weights")}
    settings = trial.settings
    iterations = iterations_of(settings, trial.request.limit)
    recipe = [asdict(_recipe(trial, settings.batch_size)), layers(trial), settings.autocast, iterations]
    facts = [recipe, settings.warmup_iterations, settings.evaluations, seed]
    return [identity(trial.encoder), variants, *facts, "evaluations keep their counts"]


def rate_of(setting: str, primary: float) -> float:
    """Return the learning rate of a head: what a setting of the sweep names, else the experiment's."""
    return float(setting.removeprefix("lr_")) if setting.startswith("lr_") else primary


def iterations_of(settings: SegmentationSettings, limit: int | None) -> int:
    """Count steps of a training: a smoke run takes as many as it takes images."""
    return min(settings.iterations, limit or settings.iterations)


def evaluated_at(iterations: int, count: int) -> set[int]:
    """Return iterations after which heads are judged, evenly spaced, besides the last."""
    return {round(iterations * k / count) for k in range(1, count)} - {iterations}


def layers(trial: HeadsTrial) -> tuple[int, ...]:
    """Return the blocks that a head looks at, counted from 0."""
    return blocks_at(trial.encoder.depth, of=trial.settings.blocks, whole=constant("segmentation", "blocks_of"))


def crop_px(settings: SegmentationSettings, dataset: str, patch: int) -> int:
    """Return the protocol's crop, in whole patches of an encoder."""
    return patch * max(1, round(settings.crop_px[dataset] / patch))


def _recipe(trial: HeadsTrial, batch_size: int) -> CropRecipe:
    settings = trial.settings
    return CropRecipe(
        crop_px=crop_px(trial.settings, trial.dataset, trial.encoder.patch_size),
        scale=settings.train_scale[trial.dataset],
        batch_size=batch_size,
        ratio=settings.ratio_range,
        cat_max_ratio=settings.cat_max_ratio,
        flip=settings.flip,
        photometric=settings.photometric,
    )


def _slide(trial: HeadsTrial) -> SlideRecipe:
    return SlideRecipe(
        crop_px=crop_px(trial.settings, trial.dataset, trial.encoder.patch_size),
        stride_px=trial.settings.stride_px[trial.dataset],
        scale=trial.settings.test_scale[trial.dataset],
        batch_size=PASS,
    )


def _companions(trial: HeadsTrial, seed: int) -> Iterator[Heads]:
    """Yield heads of the request's other trials that share encoder and images, if they have no fresh result yet.

    Where the data of one is missing or damaged, its own test will say so.
    """
    trial_heads = Heads(trial, seed)
    for experiment, dataset, spec in trial.request.tasks():
        companion = HeadsTrial(trial.request, experiment, dataset, spec)
        if spec != trial.spec or companion.key == trial.key or images_of(dataset) != images_of(trial.dataset):
            continue
        try:
            heads = Heads(companion, seed)
            pairs = ([trial_heads.train, heads.train], [trial_heads.val, heads.val])
            same_files = all(len(same_images(pair)) == 1 for pair in pairs)
            same_training = training_identity(companion, seed) == training_identity(trial, seed)
            same_windows = _slide(companion) == _slide(trial)
            if same_files and same_training and same_windows and companion.stored() is None:
                yield heads
        except SuiteError:
            continue


def _train(bank: list[Heads]) -> dict[str, Fitted]:
    """Train the heads of a bank side by side, and score them: digest -> what came of it."""
    trial, seed = bank[0].trial, bank[0].seed
    encoder, device = trial.encoder, trial.request.device
    specs = list({spec.name: spec for heads in bank for spec in heads.specs_trained}.values())
    digests = {name: digest for heads in bank for name, digest in heads.digests.items()}
    iterations = iterations_of(trial.settings, trial.request.limit)
    val = ImageStore(_once([heads.val for heads in bank]), device)
    train = ImageStore(_once([heads.train for heads in bank]), device)
    encode = _encode(trial)
    folder = trial.request.cache / "segmentation"
    histories = {name: History(folder / f"{digest}.json") for name, digest in digests.items()}

    latest_scores: dict[str, HeadScores] = {}

    def score(iteration: int, heads: Mapping[str, Head]) -> None:
        keep = range(trial.settings.samples)
        latest_scores.update(
            evaluate(encode, heads, specs, val, _slide(trial), mean=encoder.mean, std=encoder.std, keep=keep)
        )
        for name in heads:
            histories[name].add(iteration, latest_scores[name], last=iteration == iterations)

    crops = Crops(
        train,
        _recipe(trial, min(trial.settings.batch_size, len(train))),
        seed=seed,
        mean=encoder.mean,
        std=encoder.std,
        mirror={heads.trial.dataset: mirror_table(heads.train.classes) for heads in bank if heads.mirrored},
    )
    in_main_thread = threading.current_thread() is threading.main_thread()
    with stop_on_signals() if in_main_thread else nullcontext(lambda: False) as stop:
        trained = train_bank(
            encode,
            crops,
            specs,
            in_channels=encoder.embed_dim * len(layers(trial)),
            iterations=iterations,
            warmup=min(trial.settings.warmup_iterations, iterations),
            device=device,
            half=_lower(trial) is not None,
            identity=training_identity(trial, seed),
            checkpoints=folder,
            evaluate_at=evaluated_at(iterations, trial.settings.evaluations),
            on_evaluate=score,
            on_round=progress_file(trial.request.run, trial.key, seed),
            stop=stop,
        )
    score(iterations, trained.heads)
    takes_best = trial.choice("probe-epoch") == "best"
    heads_by_digest = {}
    for spec in specs:
        history, scores = histories[spec.name], latest_scores[spec.name]
        best = None
        if takes_best and spec.auxiliary is None:
            best_iteration = history.best()[0]
            best = scores.images if best_iteration == iterations else history.counts(best_iteration)
        heads_by_digest[digests[spec.name]] = Fitted(scores, trained.losses[spec.name], history.entries(), best)
    return heads_by_digest


def _once(sets: list[SegmentationSet]) -> list[SegmentationSet]:
    return list({images.name: images for images in sets}.values())


def _encode(trial: HeadsTrial) -> Encode:
    return layer_features(trial.encoder, layers(trial), autocast=_lower(trial), batch_size=PASS)


def _lower(trial: HeadsTrial) -> torch.dtype | None:
    """Return the precision of matrix products, where it is lower than float32."""
    dtype_name = trial.settings.autocast
    return None if dtype_name == "none" or trial.request.device == "cpu" else getattr(torch, dtype_name)


def percent(scores: HeadScores) -> Percent:
    """Return mIoU, mAcc and aAcc over all images."""
    return {metric: 100 * getattr(scores.counts, name) for metric, name in METRICS.items()}


class History:
    """The evaluations of a head while it trains, on disk, since a training may be interrupted between them.

    What was counted in each lies beside the percentages until the last, then only that of the best: a result that
    takes the best evaluation needs its evidence. Of the last one itself nothing is kept: who asks has just made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[tuple[int, Percent]]:
        """Return (iterations done, metric -> per cent), in that order."""
        try:
            percentages = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return []
        return sorted((int(iteration), scores) for iteration, scores in percentages.items())

    def best(self) -> tuple[int, Percent]:
        """Return the evaluation of the highest mIoU, the first of equal ones."""
        return best_of(self.entries())

    def counts(self, iteration: int) -> ImageCounts:
        """Return the counts of the best evaluation.

        Raises:
            StorageError: its file is missing or damaged.
        """
        path = self._counts_path(iteration)
        try:
            [image_counts] = unpack(load_file(path))
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise StorageError(
                f"{path}: expected what was counted after {iteration} iterations, the best evaluation, got {error}: "
                f"remove {self.path.parent} and measure again"
            ) from error
        return image_counts

    def add(self, iteration: int, scores: HeadScores, *, last: bool) -> None:
        """Note an evaluation; one of the same iteration is replaced, and later ones were of an earlier training."""
        entries = [entry for entry in self.entries() if entry[0] < iteration]
        if not last:
            write_atomically(self._counts_path(iteration), save(pack([scores.images])))
        entries.append((iteration, percent(scores)))
        write_json(self.path, {str(d): s for d, s in entries})
        if last:
            for path in self.path.parent.glob(f"{self.path.stem}-*.safetensors"):
                if path != self._counts_path(best_of(entries)[0]):
                    path.unlink(missing_ok=True)

    def _counts_path(self, iteration: int) -> Path:
        return self.path.with_name(f"{self.path.stem}-{iteration}.safetensors")


def best_of(history: list[tuple[int, Percent]]) -> tuple[int, Percent]:
    """Return the evaluation of the highest mIoU, the first of equal ones."""
    return max(history, key=lambda entry: entry[1]["miou"])
