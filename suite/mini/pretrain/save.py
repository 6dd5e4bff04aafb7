"""Trained objectives -> checkpoints in the layout of each official release, fp16.

Training-only inventions are folded away first: the whitened stem into `patch_embed.proj`, batch norm of the
DINO and iBOT heads into the linear before it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from lightly.models.modules.heads import DINOProjectionHead
from timm.models.beit import Beit
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from suite.mini.pretrain.vit import DIM, Trunk

State = dict[str, Tensor]


def official(method: str, objective: Any, step: int) -> dict[str, Any]:
    """Return the content of a method's file.

    Args:
        method: name of the method.
        objective: its trained objective.
        step: steps done; releases that count epochs get it as `epoch`.
    """
    return halved(LAYOUTS[method](objective, step))


def halved(value: Any) -> Any:
    """Return floating tensors, nested in dicts, as fp16 on the CPU; everything else as it is."""
    if isinstance(value, dict):
        return {key: halved(item) for key, item in value.items()}
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return value.half() if value.is_floating_point() else value.clone()
    return value


def trunk(vit: Trunk) -> State:
    """Return an encoder's tensors by timm's names, the stem folded into one convolution."""
    state = {key: value for key, value in vit.state_dict().items() if not key.startswith("patch_embed.")}
    state["patch_embed.proj.weight"], state["patch_embed.proj.bias"] = vit.patch_embed.folded()
    if isinstance(vit, Beit):
        state["rel_pos_bias.relative_position_index"] = vit.rel_pos_bias.relative_position_index
    return state


def folded_mlp(layers: nn.Sequential) -> State:
    """Fold linear, batch norm, GELU, ... into the linears alone, numbered 0, 2, 4 as without batch norm.

    A batch norm in evaluation is affine per channel, so it folds exactly into the linear before it.
    """
    modules = [*copy.deepcopy(layers).eval(), None]
    pairs = [(module, following) for module, following in pairwise(modules) if isinstance(module, nn.Linear)]
    linears = [
        fuse_linear_bn_eval(module, following) if isinstance(following, nn.BatchNorm1d) else module
        for module, following in pairs
    ]
    state: State = {}
    for number, linear in enumerate(linears):
        state |= prefixed(f"mlp.{2 * number}.", linear.state_dict())
    return state


def dino_head(head: DINOProjectionHead) -> State:
    """Return the released head's tensors; its last layer is a plain linear of unit rows."""
    last_layer = head.last_layer
    weight = last_layer.weight_g * last_layer.weight_v / last_layer.weight_v.norm(dim=1, keepdim=True)
    return folded_mlp(head.layers) | {"last_layer.weight": weight}


def ibot_head(head: DINOProjectionHead) -> State:
    """Return the head as DINO's, but weight-normed, and stored once more as the patch head that shares it."""
    last_layer = {"weight_g": head.last_layer.weight_g, "weight_v": head.last_layer.weight_v}
    return folded_mlp(head.layers) | {
        f"{name}.{key}": value for name in ("last_layer", "last_layer2") for key, value in last_layer.items()
    }


def prefixed(prefix: str, state: State) -> State:
    """Put every key behind a prefix."""
    return {prefix + key: value for key, value in state.items()}


def split_bias(state: State) -> State:
    """Rename tensors from timm's names to those of BEiT's blocks: q_bias and v_bias, gamma_1 and gamma_2."""
    out: State = {}
    for key, value in state.items():
        if key.endswith("attn.qkv.bias"):
            block = key.removesuffix("qkv.bias")
            out[block + "q_bias"], _, out[block + "v_bias"] = value.split(DIM)
        else:
            out[key.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2")] = value
    return out


def deit(o: Any, step: int) -> dict[str, Any]:
    """Lay out as in facebookresearch/deit."""
    norm, linear = o.head
    weight = linear.weight / (norm.running_var + norm.eps).sqrt()
    head = {"head.weight": weight, "head.bias": linear.bias - weight @ norm.running_mean}
    return {"model": trunk(o.encoder) | head}


def mocov3(o: Any, step: int) -> dict[str, Any]:
    """Lay out as in facebookresearch/moco-v3: a distributed model's state."""
    state = prefixed("base_encoder.", trunk(o.encoder) | prefixed("head.", o.projector.layers.state_dict()))
    momentum = trunk(o.momentum_encoder) | prefixed("head.", o.momentum_projector.layers.state_dict())
    state |= prefixed("momentum_encoder.", momentum) | prefixed("predictor.", o.predictor.layers.state_dict())
    return {"epoch": step, "arch": "vit_mini", "state_dict": prefixed("module.", state)}


def dino(o: Any, step: int) -> dict[str, Any]:
    """Lay out as in facebookresearch/dino, full checkpoint; the student is wrapped by DistributedDataParallel."""
    student = prefixed("backbone.", trunk(o.encoder)) | prefixed("head.", dino_head(o.head))
    teacher = prefixed("backbone.", trunk(o.teacher)) | prefixed("head.", dino_head(o.teacher_head))
    return {"student": prefixed("module.", student), "teacher": teacher, "epoch": step}


def ibot(o: Any, step: int) -> dict[str, Any]:
    """Lay out as in bytedance/ibot, full checkpoint; only the student has a mask token."""
    student = trunk(o.encoder) | {"masked_embed": o.mask_token[0]}
    student = prefixed("backbone.", student) | prefixed("head.", ibot_head(o.head))
    teacher = prefixed("backbone.", trunk(o.teacher)) | prefixed("head.", ibot_head(o.teacher_head))
    return {"student": prefixed("module.", student), "teacher": teacher, "epoch": step}


def beit(o: Any, step: int) -> dict[str, Any]:
    """Lay out as in microsoft/unilm, beit."""
    return {"model": trunk(o.encoder) | {"mask_token": o.mask_token} | prefixed("lm_head.", o.lm_head.state_dict())}


def mae(o: Any, step: int) -> dict[str, Any]:
    """Lay out as in facebookresearch/mae, without decoder."""
    return {"model": trunk(o.encoder)}


def cae(o: Any, step: int) -> dict[str, Any]:
    """Lay out as in lxtGH/CAE."""
    return {"model": prefixed("encoder.", split_bias(trunk(o.encoder)))}


LAYOUTS: dict[str, Callable[[Any, int], dict[str, Any]]] = {
    "deit": deit,
    "mocov3": mocov3,
    "dino": dino,
    "beit": beit,
    "mae": mae,
    "cae": cae,
    "ibot": ibot,
}
