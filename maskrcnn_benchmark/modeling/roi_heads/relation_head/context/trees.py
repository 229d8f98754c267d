"""Binary trees over an image's boxes, grown from pair scores (VCTree, CVPR 2019, section 3.2)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def spanning_parents(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    The directed maximum spanning tree of one image as Prim's algorithm grows it.

    The root is the box with the largest mean score of its row. Then, n − 1 times, the largest score_ij with i in the
    tree and j outside makes j a child of i; among equals the box that is longest in the tree, then the lowest index
    outside.

    Args:
        scores: (n, n), row the parent.
    Returns:
        parents (n,), −1 at the root; order (n,) in which the boxes joined.
    """
    n = len(scores)
    parents, order = np.full(n, -1), np.empty(n, np.int64)
    if not n:
        return parents, order
    root = order[0] = int(scores.mean(1).argmax())
    best, parent = scores[root].copy(), np.full(n, root)
    outside = np.ones(n, bool)
    outside[root] = False
    for step in range(1, n):
        reachable = np.where(outside, best, -np.inf)
        ties = np.flatnonzero(reachable == reachable.max())
        joined = np.empty(n, np.int64)
        joined[order[:step]] = np.arange(step)
        new = int(ties[joined[parent[ties]].argmin()])
        order[step], parents[new], outside[new] = new, parent[new], False
        better = scores[new] > best
        best[better], parent[better] = scores[new][better], new
    return parents, order


def binary_children(parents: np.ndarray, order: np.ndarray) -> np.ndarray:
    """First child → left, each next sibling → right child of the one before. (n,), (n,) -> (n, 2), −1 for none."""
    children = np.full((len(parents), 2), -1)
    youngest = np.full(len(parents), -1)
    for node in order[1:]:
        parent = parents[node]
        if youngest[parent] < 0:
            children[parent, 0] = node
        else:
            children[youngest[parent], 1] = node
        youngest[parent] = node
    return children


@dataclass
class Forest:
    """
    The binary trees of a batch over the batch-wide list of entities, cut into levels that can be worked on at once.

    Attributes:
        children: (N, 2) left and right child, N where there is none. parents: (N,) in the binary tree, N at a root.
        images: (N,) each row's image. by_depth: rows at depth 0, 1, ...; by_height: rows whose subtree is 0, 1, ...
            high.
    """

    children: Tensor
    parents: Tensor
    images: Tensor
    by_depth: list[Tensor]
    by_height: list[Tensor]


def grow_forest(scores: list[Tensor], device: torch.device) -> Forest:
    """One tree per image from its pair scores (n, n). Scores carry no gradient."""
    sizes = np.array([len(image_scores) for image_scores in scores], np.int64)
    total = int(sizes.sum())
    children, depth, height = np.full((total, 2), total), np.zeros(total, np.int64), np.zeros(total, np.int64)
    for image_scores, start in zip(scores, sizes.cumsum() - sizes, strict=True):
        spanning, order = spanning_parents(image_scores.detach().cpu().numpy())
        own, rows = binary_children(spanning, order), slice(start, start + len(order))
        children[rows] = np.where(own < 0, total, own + start)
        depth[rows], height[rows] = _depth_and_height(own, order)
    parents = np.full(total + 1, total)
    for side in range(2):
        parents[children[:, side]] = np.arange(total)

    def levels(values: np.ndarray) -> list[Tensor]:
        return [torch.from_numpy(np.flatnonzero(values == v)).to(device) for v in range(values.max(initial=-1) + 1)]

    return Forest(
        children=torch.from_numpy(children).to(device),
        parents=torch.from_numpy(parents[:total]).to(device),
        images=torch.from_numpy(np.arange(len(scores)).repeat(sizes)).to(device),
        by_depth=levels(depth),
        by_height=levels(height),
    )


def _depth_and_height(children: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth from the root, and height above the lowest leaf, of each node; parents precede children in `order`."""
    depth, height = np.zeros(len(children), np.int64), np.zeros(len(children), np.int64)
    for node in order:
        for child in children[node]:
            if child >= 0:
                depth[child] = depth[node] + 1
    for node in order[::-1]:
        for child in children[node]:
            if child >= 0:
                height[node] = max(height[node], height[child] + 1)
    return depth, height
