"""Names of the segmentation sets' classes, in the order of their labels.

Where the masks' authors published no usable list, names are numbers (ADE20K-Part: the official code's list is
a placeholder). Metrics depend on how many classes there are, never on their names.
"""

from __future__ import annotations

_PASCAL_OBJECT = (
    "aeroplane bicycle bird bottle bus car cat cow dog horse motorbike person pottedplant sheep train tvmonitor"
)

_VEHICLE = (
    "frontside leftside rightside backside roofside leftmirror rightmirror fliplate bliplate "
    "door wheel headlight window"
)
_CAT = "head leye reye lear rear nose torso neck lfleg lfpa rfleg rfpa lbleg lbpa rbleg rbpa tail"
_LEGS = "torso neck lfuleg lflleg rfuleg rflleg lbuleg lblleg rbuleg rblleg tail"
_CATTLE = f"head leye reye lear rear muzzle lhorn rhorn {_LEGS}"

_PASCAL_PARTS = {
    "aeroplane": "body stern lwing rwing tail engine wheel",
    "bicycle": "fwheel bwheel saddle handlebar chainwheel headlight",
    "bird": "head leye reye beak torso neck lwing rwing lleg lfoot rleg rfoot tail",
    "bottle": "cap body",
    "bus": _VEHICLE,
    "car": _VEHICLE,
    "cat": _CAT,
    "cow": _CATTLE,
    "dog": f"{_CAT} muzzle",
    "horse": f"head leye reye lear rear muzzle {_LEGS} lfho rfho lbho rbho",
    "motorbike": "fwheel bwheel handlebar saddle headlight",
    "person": (
        "head leye reye lear rear lebrow rebrow nose mouth hair torso neck "
        "llarm luarm lhand rlarm ruarm rhand llleg luleg lfoot rlleg ruleg rfoot"
    ),
    "pottedplant": "pot plant",
    "sheep": _CATTLE,
    "train": (
        "head hfrontside hleftside hrightside hbackside hroofside headlight "
        "coach cfrontside cleftside crightside cbackside croofside"
    ),
    "tvmonitor": "screen",
}
"""Parts of part2ind.m (Pascal-Part), numbered ones folded: 193. The processed masks' order is unpublished."""

_ADE20K_OBJECT = (
    "building, sky, tree, bed, windowpane, cabinet, person, door, table, plant, chair, car, sofa, shelf, "
    "house, armchair, seat, fence, desk, wardrobe, lamp, bathtub, column, chest of drawers, sink, "
    "skyscraper, refrigerator, boat, stairs, pool table, stairway, bookcase, blind, coffee table, toilet, "
    "stove, computer, swivel chair, bus, light, truck, chandelier, airplane, ottoman, bottle, van, "
    "washer, stool, minibike, oven, microwave, dishwasher, screen, hood, sconce, traffic light, fan, "
    "glass, clock"
)

_LIP = (
    "Hat Hair Glove Sunglasses UpperClothes Dress Coat Socks Pants Jumpsuits Scarf Skirt Face "
    "Left-arm Right-arm Left-leg Right-leg Left-shoe Right-shoe"
)

CLASSES: dict[str, tuple[str, ...]] = {
    "ade20k": tuple(f"class {label}" for label in range(1, 151)),
    "ade20k_object": tuple(_ADE20K_OBJECT.split(", ")),
    "ade20k_part": tuple(f"part {label}" for label in range(1, 210)),
    "pascal_object": tuple(_PASCAL_OBJECT.split()),
    "pascal_part": tuple(f"{whole} {part}" for whole, parts in _PASCAL_PARTS.items() for part in parts.split()),
    "lip": tuple(_LIP.split()),
}
"""Dataset -> names; numbered from 1 where unnamed, as in the masks."""
