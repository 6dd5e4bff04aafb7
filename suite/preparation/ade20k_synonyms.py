"""ADE20K-Object's 59 objects as the full ADE20K calls them: WordNet's synonyms (scene parsing, objectInfo150.txt)."""

from __future__ import annotations

from functools import cache

_SYNONYMS = """
building, edifice
sky
tree
bed
windowpane, window
cabinet
person, individual, someone, somebody, mortal, soul
door, double door
table
plant, flora, plant life
chair
car, auto, automobile, machine, motorcar
sofa, couch, lounge
shelf
house
armchair
seat
fence, fencing
desk
wardrobe, closet, press
lamp
bathtub, bathing tub, bath, tub
column, pillar
chest of drawers, chest, bureau, dresser
sink
skyscraper
refrigerator, icebox
boat
stairs, steps
pool table, billiard table, snooker table
stairway, staircase
bookcase
blind, screen
coffee table, cocktail table
toilet, can, commode, crapper, pot, potty, stool, throne
stove, kitchen stove, range, kitchen range, cooking stove
computer, computing machine, computing device, data processor, electronic computer, information processing system
swivel chair
bus, autobus, coach, charabanc, double-decker, jitney, motorbus, motorcoach, omnibus, passenger vehicle
light, light source
truck, motortruck
chandelier, pendant, pendent
airplane, aeroplane, plane
ottoman, pouf, pouffe, puff, hassock
bottle
van
washer, automatic washer, washing machine
stool
minibike, motorbike
oven
microwave, microwave oven
dishwasher, dish washer, dishwashing machine
screen, silver screen, projection screen
hood, exhaust hood
sconce
traffic light, traffic signal, stoplight
fan
glass, drinking glass
clock
"""

SYNONYMS = tuple(tuple(line.split(", ")) for line in _SYNONYMS.strip().splitlines())
"""Synonyms per object, its name first."""

_MERGED = {"double door": "door"}
"""Classes of the full release that scene parsing counts as one."""


@cache
def object_label(name: str) -> int:
    """Return the object 1..59 that a class of the full ADE20K is, 0 if it is none.

    The first synonym must be the object's, and the others among its own: "plant, works, industrial plant" is no
    plant, and a cooking "pot" no toilet.
    """
    first_synonym, *other_synonyms = (word.strip() for word in name.split(","))
    first_synonym = _MERGED.get(first_synonym, first_synonym)
    for label, synonyms in enumerate(SYNONYMS, 1):
        if first_synonym == synonyms[0] and set(other_synonyms) <= set(synonyms):
            return label
    return 0
