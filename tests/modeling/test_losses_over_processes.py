"""
Losses of a detector whose images are spread over processes: their average is the loss of one process with all of them.
"""

import os
import socket

import pytest
import torch
import torch.multiprocessing as mp

from maskrcnn_benchmark.modeling.averaging import mean_over_processes
from maskrcnn_benchmark.modeling.balanced_sampler import BalancedSampler
from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.modeling.roi_heads.attribute_head.loss import AttributeLoss
from maskrcnn_benchmark.modeling.roi_heads.box_head.loss import BoxLoss
from maskrcnn_benchmark.modeling.rpn.loss import RPNLoss
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.distributed import close, setup_distributed

SIZE, PROCESSES = (64, 48), 2
# Images of very different numbers of proposals: the mean of the processes' means would be another figure.
SHARES = [[0], [1, 2]]
COUNTS = [30, 3, 0]
NAMES = ["attributes", "loss_box_reg", "loss_classifier", "loss_objectness", "loss_rpn_box_reg", "soft_attributes"]


def boxes(count, seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 30
    return torch.cat([corner, corner + 6 + torch.rand(count, 2, generator=generator) * 12], dim=1)


def losses(images):
    """All losses of these images, and their gradients by the numbers that a network would give."""
    found = {}
    targets = []
    for image in images:
        target = BoxList(boxes(3, 10 + image), SIZE)
        target.add_field("labels", torch.tensor([1, 2, 3]))
        target.add_field("image_id", image)
        targets.append(target)
    numbers = torch.ones(len(NAMES), requires_grad=True)
    random = [torch.Generator().manual_seed(20 + image) for image in images]

    anchors = boxes(40, 1)
    inside = [torch.arange(40) < (40 if image == 0 else 4) for image in images]
    logits = torch.stack([torch.randn(40, generator=g) for g in random])
    offsets = torch.stack([torch.randn(40, 4, generator=g) for g in random])
    rpn = RPNLoss(coder=BoxCoder((1, 1, 1, 1)), sampler=BalancedSampler(1000, 1.0), high=0.3, low=0.2)
    found |= rpn(anchors, inside, logits, offsets, targets)

    loss = BoxLoss(coder=BoxCoder((10, 10, 5, 5)), sampler=BalancedSampler(1000, 1.0), high=0.3, low=0.3)
    sampled = loss.sample([BoxList(boxes(COUNTS[image], image), SIZE) for image in images], targets)
    count = [len(each) for each in sampled]
    found |= loss(
        torch.cat([torch.randn(n, 4, generator=g) for n, g in zip(count, random, strict=True)]),
        torch.cat([torch.randn(n, 4, 4, generator=g) for n, g in zip(count, random, strict=True)]),
        sampled,
    )
    for name, binary in (("attributes", True), ("soft_attributes", False)):
        attribute = AttributeLoss(weight=0.5, max_attributes=10, binary=binary, pos_weight=5.0, sample=False, ratio=1)
        values = torch.cat([torch.randn(n, 5, generator=g) for n, g in zip(count, random, strict=True)])
        found[name] = attribute(values, torch.cat([torch.arange(n)[:, None] % 3 for n in count]))
    total = (torch.stack([found[name] for name in NAMES]) * numbers).sum()
    total.backward()
    return {"losses": {name: float(found[name].detach()) for name in NAMES}, "gradient": numbers.grad}


def losses_of_one_rank(rank, port, folder):
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "WORLD_SIZE": str(PROCESSES),
    }
    torch.set_num_threads(1)
    setup_distributed("cpu")
    torch.save(losses(SHARES[rank]), folder / f"{rank}.pth")
    torch.save(
        losses([2]) if rank else losses([0]), folder / f"{rank}-one-empty.pth"
    )  # a process without a proposal holds nobody up
    close()


def test_the_average_over_processes_is_the_loss_of_all_images(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.start_processes(losses_of_one_rank, args=(port, tmp_path), nprocs=PROCESSES, start_method="spawn")
    for suffix, images in (("", [0, 1, 2]), ("-one-empty", [0, 2])):
        parts = [torch.load(tmp_path / f"{rank}{suffix}.pth", weights_only=True) for rank in range(PROCESSES)]
        expected = losses(images)
        mean = {name: sum(part["losses"][name] for part in parts) / PROCESSES for name in NAMES}
        assert mean == pytest.approx(expected["losses"], rel=1e-5) and all(value > 0 for value in mean.values())
        torch.testing.assert_close(sum(part["gradient"] for part in parts) / PROCESSES, expected["gradient"])


def test_no_sample_is_zero_with_a_gradient():
    total = torch.zeros(2, requires_grad=True)
    loss = mean_over_processes(total[:0].sum(), 0)
    loss.backward()
    assert loss == 0 and total.grad.tolist() == [0, 0]
