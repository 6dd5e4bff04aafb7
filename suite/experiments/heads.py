"""The segmentation heads that a trial asks for: which, on what images, with which crops and windows."""

from __future__ import annotations

import functools
from dataclasses import asdict, replace

from suite.cells import release_of
from suite.core.digests import digest_of
from suite.core.numerics import environment_of
from suite.datasets.segmentation import SegmentationSet, segmentation
from suite.datasets.segmentation_classes import CLASSES
from suite.experiments.context import Context
from suite.features import identity
from suite.protocol.constants import constant
from suite.protocol.settings import SegmentationSettings
from suite.segmentation.auxiliary import MAP
from suite.segmentation.bank import HeadSpec
from suite.segmentation.crops import CropRecipe
from suite.segmentation.encode import blocks_at
from suite.segmentation.evaluate import SlideRecipe

LAYER_DECAY: tuple[str, ...] = constant("segmentation", "bias_spared")
"""Methods whose configs use layer decay, which spares biases (official code, configs_local)."""
PASS = 8
"""Crops an encoder sees at once: a bank's crops vary in number, and the rounding of none may depend on it."""
ENLARGED_FIRST: int = constant("segmentation", "enlarged_first")
"""Factor by which features are enlarged before the head in the variant `segmentation-upsampling=x4-first`."""
SPLITS = {dataset: {"train": "train", "val": "val"} for dataset in CLASSES}
HeadsTrial = Context[SegmentationSettings]


def masks(trial: HeadsTrial, split: str) -> SegmentationSet:
    """Return images and masks of a split."""
    return segmentation(trial.dataset, trial.root, split)


def label_set(trial: HeadsTrial, split: str) -> SegmentationSet:
    """Return images and masks of a split, at most `limit` of them."""
    images = masks(trial, trial.splits(SPLITS[trial.dataset])[split])
    images = replace(images, records=images.records[: trial.request.limit])
    if split == "train":
        return images
    return replace(images, label_shift=trial.label_shift, central=trial.factors.get("crop-ratio") == "0.875")


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
        shared = [
            training_identity(self.trial, self.seed),
            self.val.digest,
            slide_recipe(self.trial).__dict__,
            environment,
        ]
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
    recipe = [asdict(crop_recipe(trial, settings.batch_size)), layers(trial), settings.autocast, iterations]
    facts = [recipe, settings.warmup_iterations, settings.evaluations, seed]
    factors = [trial.factors] if trial.factors else []
    return [identity(trial.encoder), variants, *facts, "evaluations keep their counts", *factors]


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


def crop_recipe(trial: HeadsTrial, batch_size: int) -> CropRecipe:
    """Return how training crops of the trial's images are drawn."""
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


def slide_recipe(trial: HeadsTrial) -> SlideRecipe:
    """Return how windows slide over the trial's validation images."""
    return SlideRecipe(
        crop_px=crop_px(trial.settings, trial.dataset, trial.encoder.patch_size),
        stride_px=trial.settings.stride_px[trial.dataset],
        scale=trial.settings.test_scale[trial.dataset],
        batch_size=PASS,
    )
