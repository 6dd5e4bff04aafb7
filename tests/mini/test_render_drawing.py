"""What the drawings promise: objects where they are said to be, sides, visibility, colours that give nothing away."""

import colorsys
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from suite.mini.birds import SPECIES, bird
from suite.mini.draw import Scene, compose
from suite.mini.person import person
from suite.mini.place import Frame, place
from suite.mini.scene import CLASSES, PARTS, draw, draw_group, part_mask, pretraining_images
from suite.mini.shapes import Figure, limb

SIZE = 96
SIDED = {"person": person, **{name: partial(bird, form=form) for name, form in SPECIES.items()}}


def scene_of(name: str, seed: int) -> Scene:
    return draw(np.random.default_rng([5, seed]), CLASSES.index(name), SIZE)


def drawn(builder: Callable[[Figure], None], seed: int) -> Scene:
    return draw(np.random.default_rng([6, seed]), 0, 2 * SIZE, builder=builder)


@pytest.mark.parametrize("name", CLASSES)
def test_an_object_takes_its_share_of_the_frame(name: str) -> None:
    for seed in range(8):
        scene = scene_of(name, seed)
        (thing,) = scene.things
        left, top, right, bottom = thing.box
        assert thing.name == name
        assert 0 <= left < right <= SIZE
        assert 0 <= top < bottom <= SIZE
        # shapes may end a pixel and a half short of their outline, and reach as much beyond it
        assert 0.7 * SIZE - 3 <= max(right - left, bottom - top) <= 0.98 * SIZE + 3
        inside = scene.object_mask[top:bottom, left:right]
        assert inside.sum() == scene.object_mask.sum() > 0
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()  # noqa: PT018


def test_every_part_type_of_every_class_has_a_number() -> None:
    masks = [part_mask(scene_of(name, seed)) for name in CLASSES for seed in range(3)]
    assert set(np.unique(masks)) == set(range(len(PARTS) + 1))


@pytest.mark.parametrize("name", SIDED)
def test_a_visible_point_lies_on_its_side_of_the_body(name: str) -> None:
    checked = 0
    for seed in range(12):
        scene = drawn(SIDED[name], seed)
        labels = ["", *(shape.label for _, shape in scene.shapes)]
        for point, (x, y, visible) in scene.things[0].keypoints.items():
            side, _, rest = point.partition(" ")
            if visible == 2 and side in ("left", "right") and rest != "hip":
                assert labels[scene.shape_map[int(y), int(x)]].startswith(side), (point, seed)
                checked += 1
    assert checked > 40


def test_a_bird_shows_the_side_that_faces_us() -> None:
    sides = set()
    for seed in range(12):
        points = drawn(partial(bird, form=SPECIES["finch"]), seed).things[0].keypoints
        faces_right = points["crown"][0] > points["belly"][0]
        seen, hidden = ("right", "left") if faces_right else ("left", "right")
        assert points[f"{seen} eye"][2] == 2
        assert points[f"{hidden} eye"][2] == 1
        sides.add(faces_right)
    assert sides == {True, False}


@pytest.mark.parametrize(("view", "mirrored"), [("front", True), ("back", False)])
def test_who_faces_us_has_the_right_shoulder_on_our_left(view: str, mirrored: bool) -> None:
    for seed in range(6):
        points = drawn(partial(person, view=view), seed).things[0].keypoints
        assert (points["right shoulder"][0] < points["left shoulder"][0]) == mirrored
        assert points["nose"][2] == (2 if mirrored else 1)


def test_a_profile_hides_the_far_eye() -> None:
    points = drawn(partial(person, view="side"), 0).things[0].keypoints
    assert {points["left eye"][2], points["right eye"][2]} == {1, 2}


def test_points_outside_of_the_image_are_marked_so() -> None:
    rng = np.random.default_rng(0)
    figure = Figure(rng)
    person(figure)
    placed = place(figure, Frame(-SIZE, 0, SIZE, SIZE), (0.9, 0.9))
    (thing,) = compose(rng, [("person", placed)], SIZE, SIZE).things
    assert {visible for _, _, visible in thing.keypoints.values()} == {0}
    assert thing.box == (0, 0, 0, 0)


def test_what_stands_in_front_hides() -> None:
    def slab(part: str) -> Figure:
        figure = Figure(np.random.default_rng(0))
        figure.mark("middle", 32, 32, figure.add(part, limb((10, 32), (54, 32), 8, 8)))
        return figure

    rng = np.random.default_rng(0)
    scene = compose(rng, [("back", slab("body")), ("front", slab("wheel"))], 64, 64)
    assert [thing.keypoints["middle"][2] for thing in scene.things] == [1, 2]
    assert [thing.box == (0, 0, 0, 0) for thing in scene.things] == [True, False]
    assert set(np.unique(scene.object_mask)) == {0, 2}


def test_a_group_holds_its_objects_side_by_side() -> None:
    scene = draw_group(np.random.default_rng(3), ["car", "person", "boat"], 300, 200)
    middles = {thing.name: (thing.box[0] + thing.box[2]) / 2 for thing in scene.things}
    assert middles["car"] < middles["person"] < middles["boat"]


def test_colours_have_every_hue_and_differ_between_parts() -> None:
    hues, distinct = [], 0
    for seed in range(60):
        scene = scene_of("bus", seed)
        colour = {
            part: np.median(scene.image[part_mask(scene) == 1 + PARTS.index(part)], axis=0)
            for part in ("body", "window")
        }
        hues.append(2 * np.pi * colorsys.rgb_to_hsv(*(colour["body"] / 255))[0])
        distinct += np.abs(colour["body"] - colour["window"]).max() > 20
    # hues spread over the circle: the length of their mean direction is near 0
    assert np.hypot(np.cos(hues).mean(), np.sin(hues).mean()) < 0.35
    assert distinct > 50


def test_pretraining_images_depend_on_seed_and_place_only() -> None:
    images, labels = pretraining_images(5, seed=1, size=48, workers=1)
    again, same_labels = pretraining_images(8, seed=1, size=48, workers=2)
    assert images.shape == (5, 48, 48, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(images, again[:5])
    assert np.array_equal(labels, same_labels[:5])
    other, _ = pretraining_images(5, seed=2, size=48, workers=1)
    assert not np.array_equal(images, other)
