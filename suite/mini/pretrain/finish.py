"""Histories of finished runs -> the curves and the table of `docs/evidence/mini_encoders.md`.

`python -m suite.mini.pretrain.finish` rewrites the table between its two markers and the figure.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from tabulate import tabulate

from suite.core.files import write_atomically
from suite.core.paths import DOCS, MINI_WEIGHTS
from suite.core.program import run_program
from suite.mini.pretrain.budgets import BUDGETS
from suite.mini.pretrain.health import failures

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
PANELS = {
    "held_out_loss": "own loss, held out",
    "object_linear": "object, linear classification, %",
    "part_linear": "part, linear classification, %",
    "object_ap": "object retrieval AP, %",
    "part_ap": "part retrieval AP, %",
    "teacher_entropy": "teacher entropy, nats",
}
COLUMNS = {"held_out_loss": 2, "object_linear": 1, "part_linear": 1, "object_ap": 1, "part_ap": 1}
History = list[dict[str, float]]


def finish(weights: Path = MINI_WEIGHTS, evidence: Path = DOCS / "evidence") -> str:
    """Write figure and table into the folder of evidence; returns the table."""
    histories = {name: read(weights / f"{name}.csv") for name in BUDGETS if (weights / f"{name}.csv").exists()}
    content = table(histories, weights)
    page = evidence / "mini_encoders.md"
    head, _, remainder = page.read_text().partition(BEGIN)
    tail = remainder.partition(END)[2]
    text = f"{head}{BEGIN}\n{content}\n{END}{tail}"
    write_atomically(page, lambda file: file.write(text.encode()))
    figure = curves(histories)
    write_atomically(evidence / "mini_encoders" / "curves.svg", lambda file: file.write(figure))
    return content


def read(path: Path) -> History:
    """Read the rows of a history file."""
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def table(histories: dict[str, History], weights: Path) -> str:
    """Return a row per method: cost, health before and after, size of the file."""
    rows = []
    for name, history in histories.items():
        first, last = history[0], history[-1]
        change = [f"{first[key]:.{digits}f} → {last[key]:.{digits}f}" for key, digits in COLUMNS.items()]
        entropy = f"{last['teacher_entropy']:.2f}" if "teacher_entropy" in last else ""
        size = f"{(weights / f'{name}.pth').stat().st_size / 1e6:.2f}"
        cost = [f"{last['images']:,.0f}", f"{last['cpu_s']:,.0f}"]
        healthy = "; ".join(failures(name, history)) or "yes"
        rows.append([name, *cost, size, *change, entropy, healthy])
    headers = ["method", "images", "CPU s", "MB", *(PANELS[key] for key in COLUMNS), "teacher entropy, nats", "healthy"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def curves(histories: dict[str, History]) -> bytes:
    """Draw the histories as one SVG, a panel per quantity; the same bytes for the same histories."""
    settings = {"svg.hashsalt": "mini_encoders", "axes.spines.top": False, "axes.spines.right": False}
    with mpl.rc_context():
        mpl.rcdefaults()  # a user's matplotlibrc is none of it
        mpl.rcParams.update(settings)
        figure, axes = plt.subplots(1, len(PANELS), figsize=(4 * len(PANELS), 3.6), layout="constrained")
        for axis, (key, title) in zip(axes, PANELS.items(), strict=True):
            for number, (name, history) in enumerate(histories.items()):
                if key in history[0]:
                    # losses of different methods share nothing but where they start
                    scale = history[0][key] if key == "held_out_loss" else 1.0
                    thousands = [row["images"] / 1000 for row in history]
                    values = [row[key] / scale for row in history]
                    axis.plot(thousands, values, color=f"C{number}", label=name, marker=".")
            axis.set(title=title + (" / first" if key == "held_out_loss" else ""), xlabel="training images, thousands")
        axes[1].legend(frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        plt.close(figure)
    return buffer.getvalue()


if __name__ == "__main__":
    run_program(lambda: print(finish()))
