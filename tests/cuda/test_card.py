"""The stand-in for a GPU refuses what a GPU's tensors refuse, and computes the CPU's numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.support.card import CARD, OnCard

pytestmark = pytest.mark.usefixtures("stand_in")
HERE = [
    lambda: torch.zeros(3, device="cuda"),
    lambda: torch.tensor([1, 2, 3], device=CARD),
    lambda: torch.arange(3).to("cuda"),
    lambda: torch.arange(3).cuda(),
    lambda: torch.arange(3).to(CARD, torch.float64),
    lambda: torch.zeros_like(torch.ones(3).cuda()),
    lambda: torch.ones(3).cuda().new_zeros(3),
    lambda: torch.ones(3).cuda() * torch.tensor(2.0),
    lambda: torch.ones(4).cuda()[torch.tensor([0, 1, 2])],
    lambda: torch.ones(3).to(torch.zeros(1).cuda()),
    lambda: nn.Linear(3, 3).to("cuda")(torch.ones(2, 3).cuda())[0],
    lambda: torch.stack([torch.ones(3).cuda()])[0] + 1,
]
THERE = [
    lambda: torch.ones(3).cuda().cpu(),
    lambda: torch.ones(3).cuda().to("cpu"),
    lambda: torch.ones(3).cuda().to(device="cpu", dtype=torch.float64),
    lambda: torch.zeros_like(torch.ones(3).cuda(), device="cpu"),
    lambda: torch.empty(3, pin_memory=True),
]
REFUSED = [
    lambda: torch.ones(3).cuda() + torch.ones(3),
    lambda: torch.ones(3) + torch.tensor(1.0).cuda(),
    lambda: torch.cat([torch.ones(3).cuda(), torch.ones(3)]),
    lambda: torch.stack([torch.tensor(1.0).cuda(), torch.tensor(1.0)]),
    lambda: torch.ones(3)[torch.tensor([0]).cuda()],
    lambda: torch.ones(3).cuda().__setitem__(torch.tensor([0, 1]), torch.ones(2)),
    lambda: torch.ones(3).index_select(0, torch.tensor([0]).cuda()),
    lambda: nn.Linear(3, 3)(torch.ones(2, 3).cuda()),
    lambda: nn.Linear(3, 3).to("cuda")(torch.ones(2, 3)),
    lambda: torch.ones(3).cuda().numpy(),
    lambda: np.asarray(torch.ones(3).cuda()),
    lambda: torch.ones(2, 2).cuda() @ torch.ones(2, 2, dtype=torch.float16).cuda(),
]


@pytest.mark.parametrize("make", HERE)
def test_what_is_asked_for_on_the_card_is_there(make: Callable[[], Tensor]) -> None:
    tensor = make()
    assert isinstance(tensor, OnCard)
    assert (tensor.device, tensor.is_cuda, tensor.is_cpu, len(tensor.tolist())) == (CARD, True, False, 3)


@pytest.mark.parametrize("make", THERE)
def test_what_is_asked_for_elsewhere_is_not(make: Callable[[], Tensor]) -> None:
    tensor = make()
    assert type(tensor) is Tensor
    assert tensor.device.type == "cpu"
    assert len(tensor.numpy()) == 3


@pytest.mark.parametrize("mix", REFUSED)
def test_tensors_of_two_places_do_not_mix(mix: Callable[[], object]) -> None:
    with pytest.raises((RuntimeError, TypeError), match=r"same device|convert cuda:0|dtype"):
        mix()


def test_a_copy_is_other_memory() -> None:
    host = torch.ones(3)
    there = host.cuda()
    there[:2] = torch.zeros(2)
    assert (host.tolist(), there.tolist(), there.cpu().sum().item()) == ([1, 1, 1], [0, 0, 1], 1)


def test_a_training_ends_with_the_cpu_s_bits() -> None:
    def train(device: str) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.GELU(), nn.Linear(5, 3))
        for parameter in model.parameters():
            nn.init.normal_(parameter, generator=generator)
        model.to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        for _ in range(3):
            loss = nn.functional.cross_entropy(
                model(torch.randn(8, 4, generator=generator).to(device)), torch.arange(8).to(device) % 3
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert all(p.device.type == device and p.grad.device.type == device for p in model.parameters())
        return [value.cpu() for value in model.state_dict().values()]

    for tensor, expected in zip(train("cuda"), train("cpu"), strict=True):
        assert torch.equal(tensor, expected)


def test_autocast_lowers_products() -> None:
    layer, images = nn.Linear(3, 3).to("cuda"), torch.ones(2, 3, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        assert layer(images).dtype == torch.bfloat16
    assert layer(images).dtype == torch.float32
