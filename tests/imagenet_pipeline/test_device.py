"""Decoding on a device: which files it may have, what becomes of those it refuses, and who waits for whom."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from suite.core.memory import backoffs
from suite.errors import DatasetError
from suite.imagenet_pipeline import device as module
from suite.imagenet_pipeline import prefetch
from suite.imagenet_pipeline.images import ImageStream
from suite.imagenet_pipeline.jpeg import read_frame
from suite.imagenet_pipeline.parity import choose_decoder, parity
from suite.imagenet_pipeline.prefetch import Prefetcher
from tests.support.devices import GPU
from tests.support.lookalikes import noise, save, truncate

SIZE = 32
FULL_COLOUR = {"subsampling": 0}


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    """Smooth enough for a photograph."""
    return Image.fromarray(noise(9, 11, seed)).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(path: Path, height: int = 60, width: int = 90, seed: int = 0, **options: object) -> Path:
    picture(height, width, seed).save(path, "JPEG", **options)
    return path


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Two for the device; then reduced colour, progressive, grey, CMYK, a PNG, red-green-blue, and trailing bytes."""
    paths = [jpeg(tmp_path / f"{n}.JPEG", 60 + 40 * n, 90, n, **FULL_COLOUR) for n in range(2)]
    paths += [jpeg(tmp_path / "2.JPEG"), jpeg(tmp_path / "3.JPEG", progressive=True, **FULL_COLOUR)]
    for n, mode, kind in ((4, "L", "JPEG"), (5, "CMYK", "JPEG"), (6, "RGB", "PNG")):
        paths.append(save(tmp_path / f"{n}.JPEG", np.asarray(picture(50, 70, n)), mode, kind))
    paths.append(jpeg(tmp_path / "7.JPEG", keep_rgb=True))
    paths.append(jpeg(tmp_path / "8.JPEG", **FULL_COLOUR))
    paths[-1].write_bytes(paths[-1].read_bytes() + b"\0")
    return paths


def pixels_of(paths: list[Path], *, augment: bool = True, batch: int = 4, **options: object) -> torch.Tensor:
    stream = ImageStream(paths, SIZE, augment=augment, **options)
    batches = np.array_split(np.arange(len(paths)), -(-len(paths) // batch))
    return torch.cat([pixels.cpu() for _, pixels in stream.batches(3, batches)])


def test_only_files_that_decode_alike_everywhere_go_to_the_device(images: list[Path]) -> None:
    frames = [read_frame(np.fromfile(path, np.uint8)) for path in images]
    assert [frame is not None and frame.same_everywhere for frame in frames] == [True] * 2 + [False] * 7
    assert [frame is not None and frame.colour for frame in frames] == [True] * 4 + [False] * 3 + [True] * 2


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("augment", [True, False])
def test_the_device_sees_what_pil_sees(images: list[Path], device: str, augment: bool) -> None:
    device_pixels = pixels_of(images, augment=augment, decoder="device", device=device)
    expected = pixels_of(images, augment=augment, decoder="exact")
    levels = (device_pixels.short() - expected.short()).abs().flatten(1).amax(1)
    assert levels[2:].tolist() == [0] * 7
    assert levels[:2].max() <= (0 if device == "cpu" else 4)


def test_pixels_do_not_depend_on_batches_or_workers(images: list[Path]) -> None:
    first = pixels_of(images, decoder="device", workers=1, batch=len(images))
    for batch, workers in ((1, 2), (5, 3)):
        assert torch.equal(pixels_of(images, decoder="device", workers=workers, batch=batch), first)


def test_who_decoded_is_counted(images: list[Path]) -> None:
    stream = ImageStream(images, SIZE, augment=True, decoder="device")
    list(stream.batches(0, [np.arange(9), np.arange(2)]))
    assert stream.decoded == {"device": 4, "libjpeg": 4, "PIL": 3}
    comparison = parity(images, SIZE, decoder="device")
    assert comparison.passes
    assert "over 9 images, 2 of them decoded on the device" in str(comparison)


def test_a_file_that_the_device_refuses_falls_back_alone(images: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """nvJPEG's call fails as a whole; the other images of the batch still go to the device."""
    whole, refused = module.decode_jpegs, np.fromfile(images[1], np.uint8)

    def picky(data, device):
        if any(np.array_equal(content, refused) for content in data):
            raise RuntimeError("Error while decoding JPEG images")
        return whole(data, device)

    expected = pixels_of(images, decoder="device")
    monkeypatch.setattr(module, "decode_jpegs", picky)
    assert torch.equal(pixels_of(images, decoder="device"), expected)
    stream = ImageStream(images, SIZE, augment=True, decoder="device")
    list(stream.batches(0, [np.arange(9)]))
    assert stream.decoded == {"device": 1, "libjpeg": 5, "PIL": 3}


@pytest.mark.parametrize("what", ["decode_jpegs", "resample"])
def test_a_batch_that_memory_has_no_room_for_is_done_in_parts(
    images: list[Path], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The device decodes all that it would have, and the pixels have the same bits."""
    whole, sizes = getattr(module, what), []

    def short(items, *rest):
        sizes.append(len(items))
        if len(items) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return whole(items, *rest)

    expected = pixels_of(images, decoder="device")
    monkeypatch.setattr(module, what, short)
    with backoffs() as told:
        assert torch.equal(pixels_of(images, decoder="device"), expected)
    text = "images decoded and resized in parts of half as many as {}, for which memory had no room"
    assert told() == [text.format(count) for count in (3, 2)]  # batches of three
    assert max(sizes) == {"decode_jpegs": 2, "resample": 3}[what]  # two are decoded by the device
    stream = ImageStream(images, SIZE, augment=True, decoder="device")
    list(stream.batches(0, [np.arange(9)]))
    assert stream.decoded == {"device": 2, "libjpeg": 4, "PIL": 3}


def test_a_single_image_that_memory_has_no_room_for_says_so(
    images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_data, _device):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    module.decodes(torch.device("cpu"))
    monkeypatch.setattr(module, "decode_jpegs", full)
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate"):
        pixels_of(images, decoder="device")


def test_without_a_decoder_on_the_device_threads_decode_all(
    images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(data, device):
        raise RuntimeError("decode_jpegs_cuda: torchvision not compiled with nvJPEG support")

    expected = pixels_of(images, decoder="device")
    monkeypatch.setattr(module, "decode_jpegs", absent)
    module.decodes.cache_clear()
    try:
        comparison = parity(images, SIZE, decoder="device")
        assert torch.equal(pixels_of(images, decoder="device"), expected)
    finally:
        module.decodes.cache_clear()
    assert comparison.passes
    assert comparison.on_device == 0


def test_a_damaged_file_is_named(images: list[Path]) -> None:
    truncate(images[1])
    with pytest.raises(DatasetError, match=r"1\.JPEG: cannot be read"):
        pixels_of(images, decoder="device")


def test_the_fastest_way_within_the_bounds_is_chosen(images: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU; the fake one decodes on the CPU."""
    with fake_gpu(monkeypatch):
        assert choose_decoder(images, SIZE, "cuda")[0] == "device"
        monkeypatch.setattr(module, "resample", lambda *_: torch.zeros(len(images), 3, SIZE, SIZE, dtype=torch.uint8))
        decoder, comparison = choose_decoder(images, SIZE, "cuda")
    assert decoder == "fast"
    assert comparison.max_levels <= 1
    assert "; not device: at most 2" in str(comparison)
    assert choose_decoder(images, SIZE, "cpu")[0] == "fast"


def test_threads_work_on_the_device_that_the_process_has_chosen(
    images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that leases the second GPU says so in its main thread; others would begin on the first."""
    with fake_gpu(monkeypatch) as calls:
        stream = ImageStream(images, SIZE, augment=True, decoder="device", device="cuda", workers=1)
        list(stream.batches(0, [np.arange(9)]))
    assert calls == ["cuda:1", "wait", "keep"]
    assert str(stream.device) == "cuda:1"


def test_work_ahead_keeps_its_order_and_raises_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def work(value: int) -> torch.Tensor:
        threads.append(threading.current_thread().name)
        if value == 2:
            raise DatasetError("the third")
        return torch.tensor(value)

    for device in ("cpu", "cuda"):
        threads.clear()
        with fake_gpu(monkeypatch) as calls:
            prefetcher = Prefetcher(torch.device(device))
            results = [
                prefetcher.submit(lambda value=value: work(value), lambda tensor: [tensor]) for value in range(4)
            ]
            assert [int(results[0]()), int(results[1]())] == [0, 1]
            with pytest.raises(DatasetError, match="the third"):
                results[2]()
            assert int(results[3]()) == 3
            prefetcher.close()
        assert len(set(threads)) == 1
        assert (threads[0] == threading.current_thread().name) == (device == "cpu")
        # each tensor is waited for by the stream that uses it, and then kept until that stream is done with it
        assert calls == ([] if device == "cpu" else ["wait", "keep"] * 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_what_a_gpu_still_reads_is_not_overwritten(images: list[Path]) -> None:
    """Batches are used late, on a busy stream, while the next ones are decoded into recycled memory."""
    paths = images[:2] * 64
    expected = pixels_of(paths, decoder="device", device="cuda").cuda().sum((1, 2, 3), dtype=torch.int64)
    stream, sums = ImageStream(paths, SIZE, augment=True, decoder="device", device="cuda"), []
    for _ in range(3):
        for _, pixels in stream.batches(3, np.arange(len(paths)).reshape(-1, 4)):
            torch.cuda._sleep(5_000_000)
            sums.append(pixels.sum((1, 2, 3), dtype=torch.int64))
    assert torch.equal(torch.cat(sums), expected.repeat(3))


def is_gpu(to: object) -> bool:
    return isinstance(to, torch.device) and to.type == "cuda"


@contextmanager
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Streams that only note what is asked of them, and tensors that stay on the CPU; returns the notes."""
    calls: list[str] = []

    class Stream:
        def record_event(self) -> str:
            return "event"

        def wait_event(self, event: str) -> None:
            calls.append("wait")

    @contextmanager
    def current(stream: Stream) -> Iterator[None]:
        yield

    here, empty, cpu = torch.Tensor.to, torch.empty, torch.device("cpu")
    with monkeypatch.context() as patch:
        patch.setattr(prefetch, "_side_stream", lambda device: Stream())
        patch.setattr(torch.cuda, "stream", current)
        patch.setattr(torch.cuda, "current_stream", lambda device=None: Stream())
        patch.setattr(torch.Tensor, "record_stream", lambda *_: calls.append("keep"))
        patch.setattr(torch.cuda, "current_device", lambda: 1)
        patch.setattr(torch.cuda, "set_device", lambda device: calls.append(str(device)))
        patch.setattr(torch.Tensor, "to", lambda self, to, **how: here(self, cpu if is_gpu(to) else to, **how))
        patch.setattr(torch, "empty", lambda *shape, **how: empty(*shape, **how | {"pin_memory": False}))
        decode = module.decode_jpegs
        patch.setattr(module, "decode_jpegs", lambda data, device: decode(data, cpu))
        module.decodes.cache_clear()
        yield calls
    module.decodes.cache_clear()
