"""Way from files' bytes to the squares an encoder sees, on a device: decoded, cropped and resized in batches.

A thread reads a file. If all decoders agree on such a file (`Frame.same_everywhere`), its bytes go to the device's
decoder; if not, the thread decodes it as ever, and its crop goes to the device. There all crops of a batch are resized
together, as PIL would (`suite.imagenet_pipeline.resample`).
"""

from __future__ import annotations

import functools
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.io import ImageReadMode

from suite.core.memory import in_parts, is_out_of_memory
from suite.datasets.pixels import read_rgb
from suite.imagenet_pipeline.augment import Region
from suite.imagenet_pipeline.decode import Pixels, RegionOf, libjpeg, read_bytes
from suite.imagenet_pipeline.jpeg import read_frame
from suite.imagenet_pipeline.resample import resample


class Encoded(NamedTuple):
    """A JPEG that the device is to decode.

    Attributes:
        path: its file.
        data: (n,) its bytes.
        region_of: what to take of it.
    """

    path: Path
    data: Pixels
    region_of: RegionOf


class Decoded(NamedTuple):
    """An image, or what the region needs of it.

    Attributes:
        pixels: (3, h, w) uint8, on the device or in memory from which it is copied there.
        region: what to take of that.
        decoder: who decoded it: `device`, `libjpeg` or `PIL`.
    """

    pixels: Tensor
    region: Region
    decoder: str


class DeviceDecoder:
    """Batches of images on a device, with a count of who decoded them.

    On the CPU the device's decoder is torchvision's libjpeg, so that all but nvJPEG can be tested there.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.decoded: Counter[str] = Counter()

    @functools.cached_property
    def decodes(self) -> bool:
        """Whether the device has a decoder at all; see `decodes`."""
        return decodes(self.device)

    def load(self, path: Path, region_of: RegionOf) -> Encoded | Decoded:
        """Do the part of a thread for one image.

        Raises:
            DatasetError: missing, truncated, or not an image.
        """
        data = read_bytes(path)
        frame = read_frame(data)
        if frame is not None and frame.same_everywhere and self.decodes:
            return Encoded(path, data, region_of)
        return self._on_host(path, data, region_of)

    def pixels(self, batch: Sequence[Encoded | Decoded]) -> Tensor:
        """Return pixels (B, 3, S, S), uint8 on the device; in parts where memory has no room for all at once.

        Raises:
            DatasetError: what the device refused is damaged.
            RuntimeError: memory has no room for a single image (see `suite.core.memory.is_out_of_memory`).
        """
        parts = in_parts(batch, self._pixels, "images decoded and resized")
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _pixels(self, batch: Sequence[Encoded | Decoded]) -> Tensor:
        decoded = iter(self._on_device([item for item in batch if isinstance(item, Encoded)]))
        images = [next(decoded) if isinstance(item, Encoded) else item for item in batch]
        on_device = [
            image.pixels if image.decoder == "device" else image.pixels.to(self.device, non_blocking=True)
            for image in images
        ]
        pixels = resample(on_device, [image.region for image in images])
        self.decoded.update(image.decoder for image in images)
        return pixels

    def _on_device(self, batch: Sequence[Encoded]) -> list[Decoded]:
        """Decode by the device, or by the host what the device refuses.

        A file that it refuses spoils the whole call, which is then made again for each.
        """
        if not batch:
            return []
        try:
            images = decode_jpegs([item.data for item in batch], self.device)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            if len(batch) == 1:
                return [self._on_host(item.path, item.data, item.region_of) for item in batch]
            return [image for item in batch for image in self._on_device([item])]
        return [
            Decoded(image, item.region_of(image.shape[2], image.shape[1]), "device")
            for item, image in zip(batch, images, strict=True)
        ]

    def _on_host(self, path: Path, data: Pixels, region_of: RegionOf) -> Decoded:
        """Keep only the box, page-locked, so that it is copied while the device computes."""
        image, decoder = libjpeg(data), "libjpeg"
        if image is None:
            image, decoder = torch.from_numpy(np.array(read_rgb(path))).permute(2, 0, 1), "PIL"
        region = region_of(image.shape[2], image.shape[1])
        left, top, right, bottom = region.box
        box = torch.empty(3, bottom - top, right - left, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        # numpy copies: torch would start threads of its own within a worker's
        box.numpy()[:] = image[:, top:bottom, left:right].numpy()
        return Decoded(box, replace(region, box=(0, 0, right - left, bottom - top)), decoder)


def decode_jpegs(data: Sequence[Pixels], device: torch.device) -> list[Tensor]:
    """Decode each JPEG to (3, h, w) on the device: by nvJPEG on a GPU.

    Raises:
        RuntimeError: at least one cannot be decoded, or torchvision was built without nvJPEG.
    """
    files = [torch.from_numpy(content) for content in data]
    if device.type != "cuda":
        return [torch.ops.image.decode_jpeg(content, ImageReadMode.RGB.value) for content in files]
    # The hardware decoder writes without waiting for the stream, perhaps into memory that was freed in the stream's
    # order and is still being read (pytorch/vision pull request 9606, meta-pytorch/torchcodec pull request 1634).
    torch.cuda.current_stream(device).synchronize()
    return torch.ops.image.decode_jpegs_cuda(files, ImageReadMode.RGB.value, device)


@functools.cache
def decodes(device: torch.device) -> bool:
    """Return whether the device has a decoder at all; tried once, on a small JPEG."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", subsampling=0)
    try:
        decode_jpegs([np.frombuffer(bytearray(file.getvalue()), np.uint8)], device)
    except RuntimeError:
        return False
    return True
