"""What a perfect head reaches where it decides once a patch: a ceiling that the masks alone set.

The windows are those of the evaluation, with the mask in them in place of the image, and so is all that follows: the
logits of a window are enlarged, merged, resized to the image's own size and scored there. Two such heads:

- `decided`: the logit of the commonest class of each patch is 1, the others' are 0; of two as common, the first has it;
- `shared`: the logit of each class is its share of the patch's pixels, which tells where in it a boundary runs.

Both are heads that know the answer at one value a class and patch. Neither is a strict bound: other logits might place
boundaries better still. A real head has to find its logits by a line through frozen features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from suite.datasets.segmentation import IGNORE, SegmentationSet
from suite.metrics import SegmentationCounts
from suite.probes.windows import sliding_windows
from suite.segmentation.evaluate import SlideRecipe, merge
from suite.segmentation.resize import keep_ratio_size

KINDS = ("decided", "shared")


def ceilings(
    images: SegmentationSet, recipe: SlideRecipe, patch_px: int, *, device: torch.device | str = "cpu"
) -> Mapping[str, SegmentationCounts]:
    """Score both perfect heads on the masks of a set; no image is read.

    Args:
        images: whose masks are looked at.
        recipe: of the evaluation; its crop is whole patches.
        patch_px: side of a patch.
        device: where logits are enlarged.

    Raises:
        DatasetError: a mask cannot be read.
    """
    counts = {kind: SegmentationCounts(images.num_classes) for kind in KINDS}
    for number in range(len(images)):
        mask = torch.from_numpy(images.mask(number).astype(np.int64)).to(device)
        classes = mask.unique()
        classes = classes[classes != IGNORE]
        if not len(classes):
            continue
        height, width = (int(side) for side in mask.shape)
        size = keep_ratio_size(height, width, recipe.scale)
        windows = sliding_windows(*size, crop=recipe.crop_px, stride=recipe.stride_px)
        crops = _crops(mask, size, windows, recipe.crop_px)
        shares = F.avg_pool2d((crops[:, None] == classes[:, None, None]).float(), patch_px)
        decided = F.one_hot(shares.argmax(1), len(classes)).permute(0, 3, 1, 2) * (shares.sum(1, keepdim=True) > 0)
        for kind, logits in zip(KINDS, (decided.float(), shares), strict=True):
            prediction = merge(logits, windows, size, mask.shape, recipe.crop_px)
            counts[kind].update(classes[prediction], mask)
    return counts


def _crops(mask: Tensor, size: tuple[int, int], windows: Sequence[tuple[int, int, int, int]], side: int) -> Tensor:
    """Return (n, side, side) windows of a mask resized to `size`; what is beyond it is ignored.

    The nearest label is taken, as where training masks are resized.
    """
    rows, columns = (
        torch.arange(new, device=mask.device) * old // new for new, old in zip(size, mask.shape, strict=True)
    )
    resized = mask[rows[:, None], columns]
    padded = F.pad(resized, (0, max(side - size[1], 0), 0, max(side - size[0], 0)), value=IGNORE)
    return torch.stack([padded[top : top + side, left : left + side] for top, left, _, _ in windows])
