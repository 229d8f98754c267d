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
    """
    First child → left child; each next sibling → right child of the one before. (n,), (n,) -> (n, 2), −1 for none.
    """
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
    children_parts, heights, depths, total = [], [], [], sum(len(s) for s in scores)
    start = 0
    for image_scores in scores:
        parents, order = spanning_parents(image_scores.detach().cpu().numpy())
        children = binary_children(parents, order)
        depth, height = _depth_and_height(children, order)
        children_parts.append(np.where(children < 0, total, children + start))
        depths.append(depth)
        heights.append(height)
        start += len(parents)
    children = np.concatenate(children_parts) if children_parts else np.zeros((0, 2), np.int64)
    binary_parents = np.full(total + 1, total)
    for side in range(2):
        binary_parents[children[:, side]] = np.arange(total)

    def levels(values: list[np.ndarray]) -> list[Tensor]:
        flat = np.concatenate(values) if values else np.zeros(0, np.int64)
        return [torch.from_numpy(np.flatnonzero(flat == v)).to(device) for v in range(flat.max(initial=-1) + 1)]

    return Forest(
        children=torch.from_numpy(children).to(device),
        parents=torch.from_numpy(binary_parents[:total]).to(device),
        images=torch.arange(len(scores))
        .repeat_interleave(torch.tensor([len(s) for s in scores], dtype=torch.long))
        .to(device),
        by_depth=levels(depths),
        by_height=levels(heights),
    )


def _depth_and_height(children: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Depth from the root and height above the lowest leaf of every node of a binary tree whose parents precede children
    in `order`.
    """
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
