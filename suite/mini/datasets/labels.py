"""Labels of the segmentation sets for the shapes of the drawings."""

from __future__ import annotations

_ADE_IDS = {"person": 13, "car": 21, "boat": 77, "bus": 81, "truck": 84, "airplane": 91}
_ADE_ANIMAL = 127

# ids of ADE20K's 150 classes in the order of ADE20K-Object's 59 (official code, mmseg/datasets)
_ADE_OBJECT_IDS = (
    2, 3, 5, 8, 9, 11, 13, 15, 16, 18, 20, 21, 24, 25, 26, 31, 32, 33, 34, 36, 37, 38, 43, 45, 48, 49, 51, 77,
    54, 57, 60, 63, 64, 65, 66, 72, 75, 76, 81, 83, 84, 86, 91, 98, 99, 103, 108, 111, 117, 119, 125, 130, 131,
    134, 135, 137, 140, 148, 149,
)  # fmt: skip

# ADE20K-Part's list is unpublished: these labels are ours, within its 209
_ADE_PARTS = {
    "person": (
        "head", "hair", "eye", "nose", "mouth", "ear", "neck", "body", "upper arm", "lower arm", "hand",
        "upper leg", "lower leg", "foot",
    ),
    "car": ("side", "roof", "window", "light", "wheel"),
    "bus": ("side", "window", "light", "wheel"),
    "truck": ("box", "body", "window", "light", "wheel"),
    "airplane": ("body", "stern", "wing", "tail", "window", "engine"),
    "boat": ("body", "mast", "back sail", "front sail", "window"),
}  # fmt: skip

_PET = "head leye reye lear rear nose torso neck lfleg lfpa rfleg rfpa lbleg lbpa rbleg rbpa tail"
_LEGS = "torso neck lfuleg lflleg rfuleg rflleg lbuleg lblleg rbuleg rblleg tail"
_VEHICLE = (
    "frontside leftside rightside backside roofside leftmirror rightmirror fliplate bliplate door wheel "
    "headlight window"
)
# our class -> label among Pascal-Object's 16, first label among Pascal-Part's 193, its parts from there on
_PASCAL = {
    "airplane": (1, 1, "body stern lwing rwing tail engine wheel"),
    "finch": (3, 14, "head leye reye beak torso neck lwing rwing lleg lfoot rleg rfoot tail"),
    "bus": (5, 29, _VEHICLE),
    "car": (6, 42, _VEHICLE),
    "cat": (7, 55, _PET),
    "cow": (8, 72, f"head leye reye lear rear muzzle lhorn rhorn {_LEGS}"),
    "dog": (9, 91, f"{_PET} muzzle"),
    "horse": (10, 109, f"head leye reye lear rear muzzle {_LEGS} lfho rfho lbho rbho"),
    "person": (
        12,
        135,
        "head leye reye lear rear lebrow rebrow nose mouth hair torso neck llarm luarm lhand rlarm ruarm rhand "
        "llleg luleg lfoot rlleg ruleg rfoot",
    ),
}
# our name of a part, without its side -> Pascal-Part's, after the side's initial
_PASCAL_WORDS = {
    "body": "torso", "snout": "muzzle", "roof": "roofside", "light": "headlight", "front leg": "fleg",
    "back leg": "bleg", "upper arm": "uarm", "lower arm": "larm", "upper leg": "uleg", "lower leg": "lleg",
}  # fmt: skip
_PASCAL_EXCEPTIONS = {
    ("airplane", "body"): "body",
    ("airplane", "window"): "body",
    ("cat", "snout"): "nose",
    **{(name, f"{end} leg"): f"{end[0]}uleg" for name in ("cow", "horse") for end in ("front", "back")},
}

_LIP = {
    "hair": 2, "body": 5, "left upper leg": 9, "right upper leg": 9, "left upper arm": 14, "left lower arm": 14,
    "left hand": 14, "right upper arm": 15, "right lower arm": 15, "right hand": 15, "left lower leg": 16,
    "right lower leg": 17, "left foot": 18, "right foot": 19,
}  # fmt: skip
_LIP_FACE = 13


def _split(label: str) -> tuple[str, str]:
    """Return the side of a label, "" for none, and the rest of it."""
    side, _, part = label.partition(" ")
    return (side, part) if side in ("left", "right") else ("", label)


def ade20k(name: str, _label: str) -> int:
    """Return SceneParsing's id, 1..150; every animal has the same."""
    return _ADE_IDS.get(name, _ADE_ANIMAL)


def ade20k_object(name: str, _label: str) -> int:
    """Return ADE20K-Object's id, 1..59; animals have none."""
    return 1 + _ADE_OBJECT_IDS.index(_ADE_IDS[name]) if name in _ADE_IDS else 0


def ade20k_part(name: str, label: str) -> int:
    """Return an id within ADE20K-Part's 1..209; animals have none."""
    pairs = [(object_name, part) for object_name, parts in _ADE_PARTS.items() for part in parts]
    pair = name, _split(label)[1]
    return 1 + pairs.index(pair) if pair in pairs else 0


def pascal_object(name: str, _label: str) -> int:
    """Return Pascal-Object's id, 1..16."""
    return _PASCAL[name][0]


def pascal_part(name: str, label: str) -> int:
    """Return Pascal-Part's id, 1..193; 0 for what it does not name."""
    side, part = _split(label)
    _, first, parts = _PASCAL[name]
    word = _PASCAL_EXCEPTIONS.get((name, part), _PASCAL_WORDS.get(part, part))
    # a car's side is spelled out, limbs have the side's initial
    word = f"{side}{word}" if word == "side" else f"{side[:1]}{word}"
    return first + parts.split().index(word) if word in parts.split() else 0


def lip(_name: str, label: str) -> int:
    """Return LIP's id, 1..19, of a part of a person; sides are the person's own."""
    return _LIP.get(label, _LIP_FACE)
