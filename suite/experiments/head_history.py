"""The evaluations of a segmentation head while it trains: percentages, and the counts behind the best of them."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from suite.core.files import write_atomically, write_json
from suite.core.forms import Entries, Form, FormError, read_form
from suite.errors import StorageError
from suite.metrics import SegmentationCounts
from suite.results.image_counts import ImageCounts, pack, unpack
from suite.segmentation.evaluate import HeadScores

METRICS = {"miou": "mean_iou", "macc": "mean_accuracy", "aacc": "pixel_accuracy"}
Percent = dict[str, float]
FORM: Form = Entries(dict.fromkeys(METRICS, "a number"))
"""Form of a history: iterations done -> metric -> per cent."""


class History:
    """The evaluations of a head while it trains, on disk, since a training may be interrupted between them.

    What was counted in each lies beside the percentages until the last, then only that of the best: a result that
    takes the best evaluation needs its evidence. Of the last one itself nothing is kept: who asks has just made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[tuple[int, Percent]]:
        """Return (iterations done, metric -> per cent), in that order.

        Raises:
            StorageError: the file is damaged: without it, another evaluation might be taken for the best.
        """
        try:
            percentages: dict[str, Percent] = read_form(self.path, FORM, "the evaluations of a head")
            return sorted((int(iteration), scores) for iteration, scores in percentages.items())
        except FileNotFoundError:
            return []
        except FormError as error:
            raise StorageError(f"{error}: remove {self.path.parent} and measure again") from error
        except ValueError as error:
            raise StorageError(f"{self.path}: {error}: remove {self.path.parent} and measure again") from error

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
        except (OSError, SafetensorError, KeyError, ValueError, IndexError, TypeError) as error:
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
        entries.append((iteration, percent(scores.counts)))
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


def percent(counts: SegmentationCounts) -> Percent:
    """Return mIoU, mAcc and aAcc over all images."""
    return {metric: 100 * getattr(counts, name) for metric, name in METRICS.items()}
