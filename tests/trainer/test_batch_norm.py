"""Batch norm over two processes is batch norm over all of their examples."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from trainer.batch_norm import SharedBatchNorm2d, synchronise

TWO_PROCESSES = """
import os
import sys
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from trainer.batch_norm import synchronise

folder, rank = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
network, x, target = torch.load(f"{folder}/given.pt", weights_only=False)
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
synchronise(network)
wrapped = DistributedDataParallel(network, broadcast_buffers=False)
half = slice(2 * rank, 2 * rank + 2)
for _ in range(2):
    loss = (wrapped(x[half]) - target[half]).square().mean()
loss.backward()
alone = network.eval()(x[half]).detach()  # no process waits for another in evaluation
gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
torch.save((loss.detach(), gradients, network.state_dict(), alone), f"{folder}/{rank}.pt")
dist.destroy_process_group()
os._exit(0)  # a thread of torch's may abort the interpreter's own end; see trainer.__main__
"""


def network() -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)),
    )
    for norm in (made[1], made[3][1]):
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.uniform_(norm.bias, -1, 1)
    return made.double()


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    """Loss, gradients and running statistics, in 64 bits; the halves differ in mean and scale."""
    alone = network()
    x = torch.randn(4, 1, 8, 8).double() * torch.tensor([1, 2, 5, 9]).view(4, 1, 1, 1) + torch.arange(4).view(
        4, 1, 1, 1
    )
    target = torch.randn(4, 2, 4, 4).double()
    torch.save((alone, x, target), tmp_path / "given.pt")
    workers = [
        subprocess.Popen([sys.executable, "-W", "error:::trainer", "-c", TWO_PROCESSES, str(tmp_path), str(rank)])
        for rank in range(2)
    ]
    for _ in range(2):
        loss = (alone(x) - target).square().mean()
    loss.backward()
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    torch.testing.assert_close((first[0] + second[0]) / 2, loss.detach())
    for found in (first, second):
        torch.testing.assert_close(found[1], {name: p.grad for name, p in alone.named_parameters()})
        torch.testing.assert_close(found[2], dict(alone.state_dict()))
    torch.testing.assert_close(torch.cat([first[3], second[3]]), alone.eval()(x).detach())


def test_one_process_computes_bit_for_bit_what_it_did() -> None:
    plain, shared = network(), network()
    synchronise(shared)
    x = torch.randn(4, 1, 8, 8).double()
    assert torch.equal(plain(x), shared(x))
    assert all(torch.equal(value, shared.state_dict()[name]) for name, value in plain.state_dict().items())


def test_parameters_and_names_stay_while_every_batch_norm_is_replaced() -> None:
    module = network()
    names, parameters = list(module.state_dict()), list(module.parameters())
    synchronise(module)
    assert list(module.state_dict()) == names
    assert all(new is old for new, old in zip(module.parameters(), parameters, strict=True))
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]
    assert [type(norm) for norm in norms] == [SharedBatchNorm2d, SharedBatchNorm2d]


@pytest.mark.parametrize("training", [True, False])
def test_a_replaced_batch_norm_stays_in_its_mode(training: bool) -> None:
    module = network().train(training)
    synchronise(module)
    assert all(child.training is training for child in module.modules())
