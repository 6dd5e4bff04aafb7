"""MAE and BEiT: predict the pixels or the visual words of masked patches (He et al., Bao et al., 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightly.models.modules.masked_vision_transformer_decoder_timm import MaskedVisionTransformerDecoderTIMM
from lightly.models.utils import (
    get_at_index,
    normalize_mean_var,
    patchify,
    random_block_mask,
    random_token_mask,
    repeat_token,
    set_at_index,
)
from torch import Tensor, nn

from suite.mini.pretrain.codes import CODES, Codebook
from suite.mini.pretrain.objective import Objective, Signals
from suite.mini.pretrain.vit import DIM, GRID, PATCH, PATCHES, Trunk, encode

MAE_RATIO, BEIT_RATIO = 0.75, 0.45
DECODER_DIM, DECODER_DEPTH, DECODER_HEADS = 64, 2, 2


class MaskedAutoencoder(Objective):
    """MAE: the encoder sees a quarter of the patches, a small decoder draws the rest.

    Args:
        encoder: trunk to train.
    """

    def __init__(self, encoder: Trunk) -> None:
        super().__init__()
        self.encoder = encoder
        self.embed = nn.Linear(DIM, DECODER_DIM)
        self.decoder = MaskedVisionTransformerDecoderTIMM(PATCHES, DECODER_DIM, DECODER_DEPTH, DECODER_HEADS)
        self.predict = nn.Linear(DECODER_DIM, 3 * PATCH**2)

    def loss(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Signals]:
        """Return the mean squared error on masked patches, each normalised by its own mean and variance.

        A constant prediction of each patch's mean scores 1.
        """
        images = views[0]
        keep, hidden = random_token_mask((len(images), 1 + PATCHES), MAE_RATIO, device=images.device)
        visible = self.embed(encode(self.encoder, images, keep=keep))
        tokens = repeat_token(self.decoder.mask_token, (len(images), 1 + PATCHES)).type_as(visible)
        tokens = set_at_index(tokens, keep, visible)
        predictions = get_at_index(self.decoder.decode(self.decoder.add_pos_embed(tokens)), hidden)
        target = normalize_mean_var(get_at_index(patchify(images, PATCH), hidden - 1))
        return F.mse_loss(self.predict(predictions).float(), target), {}


class MaskedCodes(Objective):
    """BEiT: blocks of patches are replaced by a mask token; predict their codes.

    Args:
        encoder: trunk to train.
        codebook: patches -> codes.
    """

    def __init__(self, encoder: Trunk, codebook: Codebook) -> None:
        super().__init__()
        self.encoder, self.codebook = encoder, codebook
        self.mask_token = nn.Parameter(torch.zeros(1, 1, DIM))
        self.lm_head = nn.Linear(DIM, CODES)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def loss(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Signals]:
        """Return the cross-entropy of the codes of masked patches."""
        images = views[0]
        # drawn on the CPU: thousands of tiny operations
        mask = random_block_mask((len(images), GRID, GRID), 1.0, BEIT_RATIO, BEIT_RATIO).flatten(1)
        mask = mask.to(images.device)
        tokens = encode(self.encoder, images, mask=mask, mask_token=self.mask_token)
        logits = self.lm_head(tokens[:, 1:][mask]).float()
        codes = self.codebook(images)[mask]
        return F.cross_entropy(logits, codes), code_signals(logits, codes)


def code_signals(logits: Tensor, codes: Tensor) -> Signals:
    """Return the accuracy of predicted codes, beside the accuracy of always naming this batch's most frequent code."""
    return {
        "accuracy": (logits.argmax(-1) == codes).float().mean(),
        "majority": codes.bincount().max() / len(codes),
    }
