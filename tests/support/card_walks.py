"""Walks along the paths of the suite that a GPU takes: each returns its values on the CPU, whatever the device."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from suite.core.paths import MINI_WEIGHTS
from suite.datasets.segmentation import SegmentationSet
from suite.datasets.views import View, ViewSet
from suite.encoders import load_encoder
from suite.encoders.forward import Forward
from suite.features import Cache, Passes, extract
from suite.imagenet_pipeline.images import ImageStream
from suite.imagenet_pipeline.parity import choose_decoder
from suite.imagenet_pipeline.tokens import TokenStream, token_encoder
from suite.probes import sources
from suite.probes.retrieval import retrieval_scores
from suite.probes.tiled_loss import segmentation_loss
from suite.segmentation.bank import HeadSpec
from suite.segmentation.crops import CropRecipe, Crops
from suite.segmentation.encode import layer_features
from suite.segmentation.evaluate import SlideRecipe, evaluate
from suite.segmentation.store import ImageStore
from suite.segmentation.train import train_bank
from tests.support import probe_bank, segmentation_bank
from tests.support.lookalikes import noise, save
from tests.support.vits import TinyViT

METHODS = ("mocov3", "dino", "mae", "cae", "ibot", "beit", "deit")
MEAN, STD = (0.4, 0.5, 0.3), (0.2, 0.25, 0.3)
Values = dict[str, Tensor]


def encoder(device: str, folder: Path, *, method: str = "dino") -> Values:
    """Load an encoder, encode a short pass of pixels: plain, by layers, projected, permuted, under autocast."""
    model = load_encoder(method, weights=MINI_WEIGHTS, device=device)
    off = [name for name, value in model.state_dict().items() if value.device.type != device]
    assert not off, off
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (3, 3, model.image_size, model.image_size), generator=generator, dtype=torch.uint8)
    values = {}
    for autocast in (None, torch.bfloat16):
        forward = Forward(model, batch_size=4, layers=(0, model.depth - 1), permute=method == "mae", autocast=autocast)
        output = forward(pixels, np.arange(3), project=model.has_projector)
        tensors = {"cls": output.cls, "patches": output.patches, "projected": output.projected}
        tensors |= {f"layer {index}": layer for index, layer in output.layers.items()}
        for name, tensor in tensors.items():
            if tensor is not None:
                assert (tensor.device.type, tensor.dtype) == (device, torch.float32), name
                values[f"{name} {autocast}"] = tensor.cpu()
    return values


def features(device: str, folder: Path) -> Values:
    """Extract features with a cache and without; hold tokens in memory, on the device, and not at all."""
    rng = np.random.default_rng(0)
    views = ViewSet([View(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(7)], np.arange(7), ("a",))
    passes = Passes(TinyViT().wrapped().to(device), views, "square", batch_size=4)
    values = {}
    for cache in (None, Cache(folder / device, 1), Cache(folder / device, 1)):
        outputs = extract(passes, {"encoded", "cls", "tokens"}, cache=cache)
        for name in ("encoded", "cls", "tokens"):
            assert outputs.setting(name).device.type == "cpu"  # the cache and NumPy read them
            values[name] = outputs.setting(name)
    held = sources._where_they_are_made(passes)
    assert held.device.type == device
    chunks = [torch.tensor([3, 0, 6]), torch.tensor([5, 1])]
    for source in (sources.KeptTokens({"a": held}), sources.RecomputedTokens(passes, "a")):
        parts = [by_encoder["a"] for by_encoder in source.tokens(0, chunks)]
        values[type(source).__name__] = torch.cat(parts).cpu()
    return values


def probes(device: str, folder: Path) -> Values:
    """Train linear and attentive probes on tokens of the host and of the device, evaluate and store them."""
    source, values = probe_bank.Tokens(), {}
    tokens = source.tokens
    source.tokens = lambda epoch, chunks: ({"a": by["a"], "b": by["b"].to(device)} for by in tokens(epoch, chunks))
    trained = probe_bank.train(source=source, device=device, folder=folder, checkpoint_s=60.0)
    for name, probe in trained.items():
        values |= {f"{name} {part}": value.cpu() for part, value in probe_bank.weights(probe).items()}
        values[f"{name} losses"] = torch.tensor(probe.losses())
        values[f"{name} correct"] = probe.answers["last"].correct.to("cpu")
    return values


def toy_heads(device: str, folder: Path) -> Values:
    """Train segmentation heads, with batches and features of the host."""
    bank = segmentation_bank.train(iterations=3, device=device, half=device == "cuda", folder=folder / device)
    values = {name: head.fc.weight.cpu() for name, head in bank.heads.items()}
    return values | {f"{name} losses": torch.tensor(losses) for name, losses in bank.losses.items()}


def segmentation(device: str, folder: Path) -> Values:
    """Decode images, cut crops, encode blocks, train heads of two label sets, evaluate: images on device and host."""
    sets = [_label_set(folder / device, "coarse", 3), _label_set(folder / device, "fine", 9)]
    model = TinyViT().wrapped().to(device)
    specs = [
        HeadSpec("coarse", "coarse", 3, lr=1e-2),
        HeadSpec("fine", "fine", 9, lr=1e-2, enlarge_first=4),
        HeadSpec("beside", "fine", 9, lr=1e-2, auxiliary=(24, 48)),
    ]
    values = {}
    for place in ("device", "host"):
        store = ImageStore(sets, device, place=place)
        assert ImageStore(sets, device).place == "device"
        recipe = CropRecipe(crop_px=32, scale=(128, 40), batch_size=3)
        mirror = {"fine": np.arange(256, dtype=np.uint8)}
        crops = Crops(store, recipe, seed=0, mean=MEAN, std=STD, mirror=mirror)
        batch = crops(0)
        assert {batch.pixels.device.type, *(labels.device.type for labels in batch.labels.values())} == {device}
        values[f"{place} crops"] = batch.pixels.cpu()
        encode = layer_features(model, (0, 1), autocast=torch.bfloat16, batch_size=2)
        bank = train_bank(encode, crops, specs, in_channels=48, iterations=2, warmup=1, device=device)
        values |= {f"{place} {n} {i}": p.cpu() for n, h in bank.heads.items() for i, p in enumerate(h.parameters())}
        slide = SlideRecipe(crop_px=32, stride_px=16, scale=(128, 40), batch_size=3)
        scores = evaluate(encode, bank.heads, specs, store, slide, mean=MEAN, std=STD, keep=[0])
        for name, score in scores.items():
            assert score.predictions[0].dtype == np.uint8
            values[f"{place} {name} pixels"] = torch.tensor(int(score.counts.confusion.sum()))
    return values


def _label_set(folder: Path, name: str, classes: int) -> SegmentationSet:
    records = []
    for number, (height, width) in enumerate([(40, 61), (33, 20), (50, 50), (21, 64)]):
        image = save(folder / name / f"{number}.jpg", noise(height, width, number), file_format="PNG")
        labels = np.random.default_rng(classes + number).integers(0, classes + 1, (height, width), dtype=np.uint8)
        mask = folder / name / f"{number}.png"
        Image.fromarray(labels).save(mask)
        records.append((image, mask))
    return SegmentationSet(name, tuple(records), tuple(f"class {number}" for number in range(classes)))


def tiled_loss(device: str, folder: Path) -> Values:
    """Compute the plain loss of a segmentation head, and its gradient."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 4, 6, generator=generator).to(device).requires_grad_()
    labels = torch.randint(0, 6, (2, 13, 20), generator=generator).to(device)
    loss = segmentation_loss(logits, labels, ignore_index=5)
    loss.backward()
    assert (loss.device.type, logits.grad.device.type) == (device, device)
    return {"loss": loss.detach().cpu(), "gradient": logits.grad.cpu()}


def retrieval(device: str, folder: Path) -> Values:
    """Rank vectors on a device."""
    rows = torch.randn(30, 8, generator=torch.Generator().manual_seed(0)).to(device)
    scores = retrieval_scores(rows, np.arange(30) % 4)
    return {"ap": torch.tensor(scores.ap), "queries": torch.from_numpy(scores.per_query)}


def pipeline(device: str, folder: Path) -> Values:
    """Stream images: decoded by host and device, resampled, made ahead; tokens anew and kept."""
    folder = folder / device
    folder.mkdir(parents=True)
    files = [save(folder / f"{number}.JPEG", noise(40 + number, 50, number)) for number in range(5)]
    Image.fromarray(noise(48, 64, 7)).save(folder / "whole.JPEG", "JPEG", subsampling=0)
    files.append(folder / "whole.JPEG")
    model, values = TinyViT().wrapped().to(device), {}
    assert choose_decoder(files, 32, device)[0] == "device" or device == "cpu"
    for decoder in ("exact", "device"):
        images = ImageStream(files, 32, augment=True, seed=3, decoder=decoder, device=device, workers=1)
        batches = list(images.batches(0, [np.array([4, 0, 5]), np.array([], np.int64), np.array([1])]))
        assert {pixels.device.type for _, pixels in batches} == {device}
        values[f"{decoder} pixels"] = torch.cat([pixels for _, pixels in batches]).cpu()
        encode = token_encoder(model, forward_batch_size=4, autocast=torch.bfloat16)
        for views in (None, 1):
            stream = TokenStream(images, {"a": encode}, forward_batch_size=4, views=views)
            tokens = torch.cat([by["a"] for by in stream.tokens(0, [torch.tensor([2, 5, 1]), torch.tensor([0])])])
            values[f"{decoder} tokens, {views} views"] = tokens.cpu()
    return values


WALKS: dict[str, Callable[..., Values]] = {
    walk.__name__: walk
    for walk in (encoder, features, probes, toy_heads, segmentation, tiled_loss, retrieval, pipeline)
}


def table(page: Path) -> dict[str, str]:
    """Read branch -> test that walks it from the rows of docs/explanation/gpu.md."""
    rows = re.findall(r"^\| `(\S+)` `(\S+)` \| (\S[^|]*) \| `(\S+)` \|$", page.read_text(), re.MULTILINE)
    return {f"{path} {name}": test for path, name, _, test in rows}


def same_code(place: str) -> tuple[FunctionType, str, str]:
    """Return the function `module:qualified.name`, its module's source and the name within the module."""
    module_name, _, name = place.partition(":")
    module = importlib.import_module(module_name)
    function: Any = module
    for part in name.split("."):
        function = getattr(function, part)
    return inspect.unwrap(function), inspect.getsource(module), name


def broken_code(place: str, old: str, new: str) -> tuple[FunctionType, CodeType]:
    """Return a function, and its code with `old` replaced by `new`, which occurs once in it."""
    function, source, name = same_code(place)
    definition = inspect.getsource(function)
    assert definition.count(old) == 1, f"{place}: expected {old!r} once: {definition.count(old)} times"
    line = function.__code__.co_firstlineno
    lines = source.splitlines(keepends=True)
    length = definition.count("\n")
    changed = "".join([*lines[: line - 1], definition.replace(old, new), *lines[line - 1 + length :]])
    return function, next(code for code in _codes(compile(changed, place, "exec")) if code.co_qualname == name)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def branches(root: Path) -> set[str]:
    """Return `path function` of all code below a folder that does something else on a GPU, or asks torch about one.

    That is: what calls `torch.cuda`, `.cuda()`, `.is_cuda` or `.is_cpu`, reads a device's type, or compares with the
    word "cuda", or a device with "cpu".
    """
    functions: set[str] = set()
    for path in sorted(root.rglob("*.py")):
        text = path.read_text()
        if "cuda" in text or "cpu" in text or "device.type" in text:
            place = path.relative_to(root.parent).as_posix()
            functions |= {f"{place} {name}" for name, node in _named(ast.parse(text), "") if _is_branch(node)}
    return functions


def _named(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        is_scope = isinstance(child, ast.FunctionDef | ast.ClassDef)
        inner = f"{name}.{child.name}".removeprefix(".") if is_scope else name
        yield inner, child
        yield from _named(child, inner)


def _is_branch(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        torch_s = node.attr == "cuda" and ast.unparse(node.value) not in {"torch.version", "torch.backends"}
        return torch_s or node.attr in {"is_cuda", "is_cpu"} or (node.attr == "type" and "device" in ast.unparse(node))
    if isinstance(node, ast.Compare):
        words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
        return "cuda" in words or ("cpu" in words and "device" in ast.unparse(node))
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "startswith"
    return is_method and any(isinstance(part, ast.Constant) and part.value == "cuda" for part in node.args)
