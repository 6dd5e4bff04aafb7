"""CAE: a context autoencoder, which predicts masked patches in the encoder's own space (Chen et al., 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightly.models.utils import get_at_index, random_token_mask
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from suite.mini.pretrain.codes import CODES, Codebook
from suite.mini.pretrain.masked import code_signals
from suite.mini.pretrain.objective import Objective, Signals
from suite.mini.pretrain.vit import DIM, HEADS, PATCHES, Trunk, encode

RATIO = 0.5
ALIGNMENT = 2.0


class ContextAutoencoder(Objective):
    """Encoder on visible patches, latent regressor by cross-attention, decoder of codes.

    The regressed latents of masked patches are aligned to what the encoder makes of those patches alone (no gradient
    there), so that completing the image is the regressor's work and not the encoder's.

    Args:
        encoder: trunk to train.
        codebook: patches -> codes.
    """

    def __init__(self, encoder: Trunk, codebook: Codebook) -> None:
        super().__init__()
        self.encoder, self.codebook = encoder, codebook
        self.mask_token = nn.Parameter(torch.zeros(1, 1, DIM))
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        layer = nn.TransformerDecoderLayer(
            DIM, HEADS, 4 * DIM, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.regressor = nn.TransformerDecoder(layer, num_layers=2, norm=nn.LayerNorm(DIM))
        self.decoder = nn.Sequential(Block(DIM, HEADS, qkv_bias=True), nn.LayerNorm(DIM), nn.Linear(DIM, CODES))

    def loss(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Signals]:
        """Return the cross-entropy of codes plus twice the alignment error, as the official code weighs them."""
        images = views[0]
        keep, hidden = random_token_mask((len(images), 1 + PATCHES), RATIO, device=images.device)
        positions = self.encoder.pos_embed.expand(len(images), -1, -1)
        visible_positions, hidden_positions = get_at_index(positions, keep), get_at_index(positions, hidden)
        visible = encode(self.encoder, images, keep=keep)
        regressed = self.regressor(self.mask_token + hidden_positions, visible + visible_positions)
        with torch.no_grad():
            cls = torch.zeros_like(hidden[:, :1])
            latent = encode(self.encoder, images, keep=torch.cat([cls, hidden], 1))[:, 1:]
        alignment = F.mse_loss(regressed.float(), latent.float())
        logits = self.decoder(regressed + hidden_positions).flatten(0, 1).float()
        codes = get_at_index(self.codebook(images)[..., None], hidden - 1).flatten()
        signals = code_signals(logits, codes) | {"alignment": alignment.detach()}
        return F.cross_entropy(logits, codes) + ALIGNMENT * alignment, signals
