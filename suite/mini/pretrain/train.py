"""The training loop of all seven miniatures: seeded, resumable, one progress bar."""

from __future__ import annotations

import csv
import io
import math
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn
from tqdm import tqdm

from suite.core.files import write_atomically
from suite.core.paths import MINI_WEIGHTS
from suite.errors import RequestError
from suite.mini.pretrain import data, health, methods, save
from suite.mini.pretrain.budgets import BUDGETS, Budget, budget
from suite.mini.pretrain.objective import Objective

CACHE = Path("cache/mini_pretrain")
CLIP = 1.0
MEASUREMENTS = 8


def pretrain(
    names: list[str],
    *,
    steps: dict[str, int] | None = None,
    device: str = "auto",
    out: Path = MINI_WEIGHTS,
    cache: Path = CACHE,
    seed: int = 0,
    resume: bool = True,
) -> dict[str, list[str]]:
    """Make the mini encoders again.

    Args:
        names: methods to train; empty for all seven.
        steps: other numbers of steps than the budgets', by method.
        device: "cpu", "cuda" or "auto".
        out: folder for `<method>.pth` and `<method>.csv`, its history.
        cache: folder for drawings and for the state that an interrupted run resumes from.
        seed: of initialisation, order, views and masks.
        resume: continue interrupted runs.

    Returns:
        method -> the health gates that it misses; see `health.failures`.

    Raises:
        RequestError: unknown method, or no such device.
        StorageError: `out` or `cache` cannot be written.
    """
    budgets = {name: budget(name, (steps or {}).get(name)) for name in names or BUDGETS}
    place = pick_device(device)
    train, held_out = data.load(cache)
    missed = {}
    for name, its_budget in budgets.items():
        run = Run(name, its_budget, seed, place, train, held_out, cache / "state" / f"{name}-{seed}.pt")
        if resume:
            run.resume()
        run.train()
        write_atomically(out / f"{name}.csv", run.write_history)
        write_atomically(out / f"{name}.pth", run.write_checkpoint)
        missed[name] = health.failures(name, run.history)
        for sentence in missed[name]:
            tqdm.write(f"{name}: unhealthy: {sentence}")
    return missed


def pick_device(name: str) -> torch.device:
    """Return the device asked for, "auto" being a GPU where there is one.

    Raises:
        RequestError: a GPU was asked for and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise RequestError(f"device {name!r}: expected a GPU that PyTorch can use, found none: use --device cpu")
    return torch.device(name)


@dataclass
class Run:
    """One method's training, from its initialisation or its last saved state.

    Every step seeds itself from (seed, step), so no random state has to be kept to resume exactly.
    """

    method: str
    budget: Budget
    seed: int
    device: torch.device
    train_set: data.Drawings
    held_out: data.HeldOut
    state_file: Path
    save_every: int = 50
    step: int = 0
    cpu_s: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    objective: Objective = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.objective = methods.objective(self.method, self.train_set, self.budget, self.seed).to(self.device)
        self.optimizer = adamw(self.objective, self.budget)

    def train(self) -> None:
        """Take the remaining steps, measuring and saving on the way."""
        marks = {round(i * self.budget.steps / MEASUREMENTS) for i in range(MEASUREMENTS)}
        with tqdm(total=self.budget.steps, initial=self.step, desc=self.method, unit="step") as bar:
            while self.step < self.budget.steps:
                if self.step in marks:
                    self.measure()
                if self.step % self.save_every == 0:
                    self.save()
                start = time.process_time()
                bar.set_postfix(loss=f"{self.take_step():.3f}")
                self.cpu_s += time.process_time() - start
                self.step += 1
                bar.update()
        if not self.history or self.history[-1]["step"] != self.step:
            self.measure()
            self.save()

    def take_step(self) -> float:
        """Make one update; return its loss."""
        torch.manual_seed(1_000_003 * self.seed + self.step)
        random.seed(1_000_003 * self.seed + self.step)  # lightly draws block masks with it
        images, labels = self.train_set.batch(self.step, self.budget.batch, self.seed, self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = self.budget.lr * schedule(self.step, self.budget)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            views = methods.views(images, self.objective.views, colour=self.objective.colour)
            loss, _ = self.objective.loss(views, labels)
        loss.backward()
        self.objective.before_update(self.step)
        nn.utils.clip_grad_norm_(self.objective.parameters(), CLIP)
        self.optimizer.step()
        self.objective.after_update()
        return float(loss.detach())

    def measure(self) -> None:
        """Append a row of health to the history."""
        random.seed(health.SEED)
        row: dict[str, float] = {"step": self.step, "images": self.step * self.budget.batch, "cpu_s": self.cpu_s}
        self.history.append(row | health.measure(self.objective, self.held_out, self.device))

    @property
    def plan(self) -> dict[str, float]:
        """Plan that a saved state must agree with to be continued."""
        return vars(self.budget) | {"seed": self.seed, "drawings": self.train_set.checksum}

    def save(self) -> None:
        """Keep the state to resume from."""
        state = {
            "plan": self.plan,
            "step": self.step,
            "cpu_s": self.cpu_s,
            "history": self.history,
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        write_atomically(self.state_file, lambda file: torch.save(state, file))

    def resume(self) -> None:
        """Continue from the saved state, if there is one of the same plan."""
        if not self.state_file.exists():
            return
        state: dict[str, Any] = torch.load(self.state_file, map_location=self.device, weights_only=True)
        if state["plan"] != self.plan:
            return
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.cpu_s, self.history = state["step"], state["cpu_s"], state["history"]

    def write_history(self, file: BinaryIO) -> None:
        """Write the history as CSV, a row per measurement."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.history[-1]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in self.history)
        file.write(text.getvalue().encode())

    def write_checkpoint(self, file: BinaryIO) -> None:
        """Write the checkpoint in its release's layout."""
        torch.save(save.official(self.method, self.objective, self.step), file)


def adamw(objective: Objective, its_budget: Budget) -> torch.optim.Optimizer:
    """Build AdamW with weight decay on matrices only."""
    parameters = [p for p in objective.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": its_budget.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=its_budget.lr)


def schedule(step: int, its_budget: Budget) -> float:
    """Return a linear warm-up, then a cosine to 0; a factor of the peak learning rate."""
    if step < its_budget.warmup:
        return (step + 1) / its_budget.warmup
    progress = (step - its_budget.warmup) / max(its_budget.steps - its_budget.warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * progress))
