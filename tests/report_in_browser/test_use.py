"""A person uses the page of a failing run in Chromium: filters, sorts, follows links, prints, dark, 400 px."""

from __future__ import annotations

from typing import Any

CELL = "part_retrieval/cub200/dino/encoded/ap"
Use = dict[str, Any]


def test_neither_the_script_nor_its_policy_complains(use: Use) -> None:
    assert use["faults"] == []


def test_the_list_of_cells_is_narrowed_and_says_to_how_many(use: Use) -> None:
    seen = use["narrowing"]
    assert seen["all"] == seen["again"] == "168 of 168 cells"
    assert seen["deviates"] == ["2 of 168 cells", ["image_classification/imagenet1k/deit/attentive/top1", CELL]]
    settings, metrics = ("encoded", "projected", "cls"), ("ap", "map", "ap_excluding_self")
    assert seen["dino"] == [f"part_retrieval/cub200/dino/{s}/{m}" for s in settings for m in metrics]
    assert seen["words"] == ["part_retrieval/cub200/dino/encoded/ap_excluding_self"], "words in any order, in any case"
    assert seen["none"] == "0 of 168 cells"


def test_a_table_is_sorted_by_a_column_both_ways_with_what_is_unknown_below(use: Use) -> None:
    seen = use["sorting"]
    assert seen["ascending"] == ["ascending", ["−2.31", "−0.04"], "–"]
    assert seen["descending"] == ["descending", ["+0.04", "+0.04"], "–"]
    mine = "image_classification/imagenet1k/%3Cb%3Emine%3C/b%3E"
    assert seen["names"] == [f"{mine}/attentive/top1", f"{mine}/linear/top1"]
    assert seen["marks"] == 1, "one column says that the table is sorted by it"


def test_all_of_it_can_be_done_by_keyboard(use: Use) -> None:
    assert use["keyboard"] == {
        "first": "INPUT",
        "typed": True,
        "clear": "show all",
        "cleared": "168 of 168 cells",
        "head": "Cell",
        "sorted": "ascending",
    }


def test_a_value_leads_to_its_cell_and_the_cell_to_its_evidence(use: Use) -> None:
    assert use["links"] == {
        "hash": f"#cell-{CELL}",
        "isInView": True,
        "filter": "168 of 168 cells",
        "protocol": True,
        "arriving": True,
        "dead": [],
    }


def test_without_scripts_the_page_is_whole_and_shows_no_dead_control(use: Use) -> None:
    assert use["withoutScripts"] == {"controls": 0, "isWhole": True, "isInView": True}


def test_paper_has_all_rows_no_controls_and_nothing_that_floats(use: Use) -> None:
    assert use["print"] == {"controls": 0, "isWhole": True, "sticky": 0, "pages": True}


def test_tables_and_charts_follow_the_theme(use: Use) -> None:
    assert use["dark"] == {
        "light": ["rgb(255, 255, 255)", "rgb(24, 122, 68)", "rgb(27, 33, 41)"],
        "dark": ["rgb(26, 32, 39)", "rgb(99, 207, 146)", "rgb(228, 232, 237)"],
    }


def test_the_first_column_of_a_wide_table_stays_in_view_on_a_narrow_screen(use: Use) -> None:
    assert use["narrowScreen"] == {"tables": True, "moved": []}
