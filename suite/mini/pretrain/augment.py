"""Random views of a whole batch at once: a few tensor operations, thousands of images a second on one core.

Hue turns by a full circle because every part of a drawing has a random colour: colour names the instance,
never the class, and a contrastive objective would otherwise learn little else.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
AREA = (0.5, 1.0)
ASPECT = (3 / 4, 4 / 3)
GREY, INVERTED, BLURRED = 0.2, 0.2, 0.3


def normalise(images: Tensor) -> Tensor:
    """Turn (B, 3, H, W) in [0, 1] into the ImageNet-normalised input that every encoder expects."""
    mean, std = (images.new_tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (images - mean) / std


def view(images: Tensor, size: int, *, colour: bool) -> Tensor:
    """Draw one random view of each image.

    Args:
        images: (B, H, W, 3) uint8.
        size: side of the view, px.
        colour: also change colours and blur; else only crop and flip.

    Returns:
        (B, 3, size, size) in [0, 1].
    """
    pixels = images.permute(0, 3, 1, 2).float().div(255)
    crop = crop_and_flip(pixels, size)
    return blur(recolour(crop)) if colour else crop


def uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    """Draw (count,) uniform numbers on the device of `like`."""
    return torch.empty(count, device=like.device).uniform_(low, high)


def crop_and_flip(images: Tensor, size: int) -> Tensor:
    """Draw random resized crops and flips by one bilinear sampling of (B, 3, H, W)."""
    B = len(images)
    side = uniform(B, AREA[0], AREA[1], images).sqrt()
    stretch = uniform(B, math.log(ASPECT[0]), math.log(ASPECT[1]), images).div(2).exp()
    width, height = (side * stretch).clamp(max=1), (side / stretch).clamp(max=1)
    theta = images.new_zeros(B, 2, 3)
    theta[:, 0, 0] = width * (torch.rand(B, device=images.device) < 0.5).float().mul(2).sub(1)
    theta[:, 1, 1] = height
    theta[:, 0, 2] = (1 - width) * uniform(B, -1, 1, images)
    theta[:, 1, 2] = (1 - height) * uniform(B, -1, 1, images)
    grid = F.affine_grid(theta, [B, 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recolour(images: Tensor) -> Tensor:
    """Apply a random affine map of RGB per image: hue, saturation, grey, inverted lightness, contrast, brightness."""
    B = len(images)
    saturation = uniform(B, 0.4, 1.4, images) * (torch.rand(B, device=images.device) >= GREY)
    lightness = 1 - 2 * (torch.rand(B, device=images.device) < INVERTED).float()
    contrast, brightness = uniform(B, 0.6, 1.4, images), uniform(B, -0.2, 0.2, images)
    grey = images.new_full((3, 3), 1 / 3)
    chroma = hue_rotation(uniform(B, 0, 2 * math.pi, images)) - grey
    matrix = contrast.view(B, 1, 1) * (lightness.view(B, 1, 1) * grey + saturation.view(B, 1, 1) * chroma)
    middle = 0.5 + brightness
    offset = middle - 0.5 * contrast * lightness
    mapped = torch.einsum("bij,bjhw->bihw", matrix, images) + offset.view(B, 1, 1, 1)
    return mapped.clamp(0, 1)


def hue_rotation(angle: Tensor) -> Tensor:
    """Turn (B,) angles into (B, 3, 3) rotations of RGB about the grey axis (Rodrigues' formula)."""
    axis = angle.new_full((3, 3), 1 / 3)
    cross = angle.new_tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    cos, sin = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    return cos * torch.eye(3, device=angle.device) + (1 - cos) * axis + sin * cross


def blur(images: Tensor) -> Tensor:
    """Apply a 3x3 binomial blur to some of the images."""
    is_blurred = torch.rand(len(images), device=images.device) < BLURRED
    line = images.new_tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(line, line).expand(3, 1, 3, 3)
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    blurred = F.conv2d(padded, kernel, groups=3)
    return torch.where(is_blurred.view(-1, 1, 1, 1), blurred, images)
