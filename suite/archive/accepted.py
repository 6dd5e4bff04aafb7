"""Does a report still say what the second gate says?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Report = Mapping[str, Any]


def disagreements(reported: Report, found: Report) -> Iterator[str]:
    """One line for the gate's verdict and for each cell whose answer is another now.

    Args:
        reported: report.json; one from before the gate says nothing of it.
        found: the same, judged anew.
    """
    if "accepted" not in reported:
        return
    before, now = ((report["accepted"] or {"verdict": "no accepted run"})["verdict"] for report in (reported, found))
    if before != now:
        yield f"accepted run of this device: reported {before!r}, held again {now!r}"
    answers = {cell["id"]: cell.get("accepted") for cell in reported["cells"]}
    for cell in found["cells"] if before == now else ():
        if cell["id"] in answers and answers[cell["id"]] != cell["accepted"]:
            yield f"{cell['id']}: accepted: reported {_said(answers[cell['id']])}, held again {_said(cell['accepted'])}"


def _said(held: Report | None) -> str:
    return "nothing" if held is None else f"{held['verdict']!r}, {held['value']}"
