"""Which images are val and test: drawn such that every split sees its share of every predicate."""

from collections.abc import Mapping, Sequence

import numpy as np

from maskrcnn_benchmark.data.datasets.source import SPLITS
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.seeding import numpy_generator

# Without a share of one's own: a tenth, but ten images, on which figures can rest, unless they are over a fifth.
_SHARE, _LEAST_IMAGES, _MOST = 0.1, 10, 0.2


def split_sizes(images: int, val: float | None, test: float | None) -> dict[str, int]:
    """
    How many of `images` each split gets. A share above 0 is an image at least, and training keeps one.

    Args:
        val, test: shares; None: a tenth, ten images at least, a fifth at most.
    Raises:
        UserError: shares below 0, or that leave nothing to train on.
    """
    given = [share for share in (val, test) if share is not None]
    if not (all(share >= 0 for share in given) and sum(given) < 1):
        raise UserError(
            "the shares for val and test must be at least 0 and leave something to train on, found"
            f" {' and '.join(map(str, given))}"
        )
    usual = min(max(_SHARE * images, _LEAST_IMAGES), _MOST * images)
    sizes, left = {}, images - 1
    for split, share in (("test", test), ("val", val)):
        wanted = usual if share is None else share * images
        sizes[split] = min(max(round(wanted), 1 if wanted > 0 else 0), max(left, 0))
        left -= sizes[split]
    return {"train": images - sum(sizes.values()), **sizes}


def draw_splits(
    names: Sequence[str],
    predicates: Sequence[set[str]],
    kept: Mapping[str, str],
    *,
    val: float | None,
    test: float | None,
    seed: int,
) -> list[str]:
    """
    Iterative stratification (Sechidis et al., ECML PKDD 2011): the images of the rarest predicate that is left go, one
    by one, to the split that lacks most of it. Images without a relation are shared out apart from the others.

    Args:
        names: of n images; with `seed` they decide what is drawn, whatever their order.
        predicates: the predicates of each.
        kept: image -> split of images that were drawn before and stay.
        val, test: as split_sizes takes them.
    Returns:
        n splits; all but the kept ones make the sizes of split_sizes as far as those leave room.
    """
    order = sorted(range(len(names)), key=lambda image: names[image])
    order = [order[i] for i in numpy_generator(seed).permutation(len(order))]
    known = {name: column for column, name in enumerate(sorted(set().union(*predicates)))}
    has = np.zeros((len(names), len(known) + 1), dtype=bool)
    for image, words in enumerate(predicates):
        # The last column stands for images without a relation.
        has[image, [known[word] for word in words] or [-1]] = True
    room = _room(split_sizes(len(names), val, test), alone=int(has[:, -1].sum()))
    # What each split still lacks of each predicate, (3, columns).
    lacks = room.sum(axis=0)[:, None] / max(len(names), 1) * has.sum(axis=0)
    splits = np.full(len(names), -1)

    def put(image: int, split: int) -> None:
        splits[image] = split
        room[int(has[image, -1]), split] -= 1
        lacks[split, has[image]] -= 1

    for image, name in enumerate(names):
        if name in kept:
            put(image, SPLITS.index(kept[name]))
    left = np.array([image for image in order if splits[image] < 0], dtype=np.int64)
    while len(left):
        counts = has[left].sum(axis=0)
        rarest = int(np.argmin(np.where(counts > 0, counts, len(names) + 1)))
        for image in left[has[left, rarest]].tolist():
            left_over = room[int(has[image, -1])]
            open_splits = np.flatnonzero(left_over > 0)
            if len(open_splits) == 0:  # kept images took more than their share
                open_splits = np.array([SPLITS.index("train")])
            put(image, int(open_splits[np.lexsort((-left_over[open_splits], -lacks[open_splits, rarest]))[0]]))
        left = left[splits[left] < 0]
    return [SPLITS[split] for split in splits]


def _room(sizes: Mapping[str, int], alone: int) -> np.ndarray:
    """(2, 3) images that each split takes: with a relation, and without one, of which there are `alone`."""
    wanted = np.array([sizes[split] for split in SPLITS])
    apart = np.rint(wanted * alone / max(wanted.sum(), 1)).astype(np.int64)
    apart[0] = alone - apart[1:].sum()  # training takes what rounding leaves
    return np.stack([wanted - apart, apart])
