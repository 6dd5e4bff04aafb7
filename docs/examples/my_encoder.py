"""An encoder that timm does not know, for `make check ENCODER=my_encoder:build`.

Replace `MyViT` by your own module. What the suite has to be told is in `build`: where the weights are, and six facts
about the tokens. `python my_encoder.py` writes an untrained checkpoint, to try it with.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from suite.encoders import Encoder, wrap

CHECKPOINT = Path(__file__).with_name("my_encoder.pth")
IMAGE, PATCH, WIDTH, DEPTH, HEADS, REGISTERS = 72, 12, 96, 4, 3, 4


class MyViT(nn.Module):
    """A vision transformer with a class token and four registers, sine-cosine positions, patches of 12 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
        self.prefix = nn.Parameter(0.02 * torch.randn(1, 1 + REGISTERS, WIDTH))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(DEPTH)
        )
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 5 + h * w, D) after the final norm: class token, registers, patches row by row."""
        patches = self.embed(images)
        patches = (patches + positions(*patches.shape[-2:]).to(patches)).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.prefix.expand(len(images), -1, -1), patches], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


def positions(rows: int, columns: int) -> Tensor:
    """(D, h, w): any grid, since each place is named by its share of the height and the width."""
    frequencies = torch.linspace(1, 12, WIDTH // 4)
    y = torch.outer(frequencies, (torch.arange(rows) + 0.5) / rows)[:, :, None].expand(-1, -1, columns)
    x = torch.outer(frequencies, (torch.arange(columns) + 0.5) / columns)[:, None].expand(-1, rows, -1)
    return torch.cat([y.sin(), y.cos(), x.sin(), x.cos()])


def build() -> Encoder:
    """What `make check` calls."""
    model = MyViT()
    model.load_state_dict(torch.load(CHECKPOINT, weights_only=True))
    return wrap(
        model,
        patch_size=PATCH,
        image_size=IMAGE,  # what it is to see; larger images must work too if segmentation is to run
        mean=(0.485, 0.456, 0.406),  # of images in [0, 1]: those it was trained with
        std=(0.229, 0.224, 0.225),
        prefix_tokens=1 + REGISTERS,  # tokens before the patches; 0 if there are none
        class_token=True,  # whether the first of them is one; if not, the mean patch stands for it
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.save(MyViT().state_dict(), CHECKPOINT)
    print(f"untrained weights in {CHECKPOINT}")
