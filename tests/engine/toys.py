"""A model and a loader of the smallest kind that the training loop can run on."""

import torch
from torch import nn

from maskrcnn_benchmark.data.collate import Batch
from maskrcnn_benchmark.structures.bounding_box import BoxList


class ToyLoader:
    """Batches without end, drawn by their number alone; `position` is the number of batches handed out."""

    def __init__(self, batch_size=2, position=0, share=(0, 1)):
        self.batch_size, self.position, self.share = batch_size, position, share

    def state_dict(self):
        return {"position": self.position}

    def batch(self, number):
        generator = torch.Generator().manual_seed(number)
        images = torch.randn(self.batch_size, 3, 4, 4, generator=generator)
        targets = []
        for i in range(self.batch_size):
            target = BoxList(torch.zeros(0, 4), (4, 4))
            target.add_field("image_id", 100 * number + i)
            targets.append(target)
        rank, processes = self.share
        rows = range(rank, self.batch_size, processes)
        return Batch([images[i] for i in rows], [targets[i] for i in rows], [100 * number + i for i in rows])

    def __iter__(self):
        while True:
            self.position += 1
            yield self.batch(self.position)


class ToyModel(nn.Module):
    """
    Two losses of a small network with dropout, so that its steps depend on torch's generator; losses can be poisoned by
    image id.
    """

    def __init__(self, dropout=0.3):
        super().__init__()
        self.first = nn.Linear(48, 16)
        self.drop = nn.Dropout(dropout)
        self.second = nn.Linear(16, 4)
        self.poisoned = set()
        self.logged = {}

    def set_iteration(self, iteration):
        self.iteration = iteration

    def forward(self, images, targets=None):
        x = self.drop(torch.relu(self.first(torch.stack(list(images)).flatten(1))))
        y = self.second(x)
        ids = {t.get_field("image_id") for t in targets}
        bad = float("nan") if ids & self.poisoned else 0.0
        self.logged = {"spread": y.detach().std()}
        return {"loss_square": y.square().mean() + bad, "loss_slope": 0.1 * y.mean()}
