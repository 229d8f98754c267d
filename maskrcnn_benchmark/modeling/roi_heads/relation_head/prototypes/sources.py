"""What a config says of prototype files: which branches are on, which file each reads, which features meet the visual ones."""

from collections.abc import Sequence
from pathlib import Path

import torch

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import (
    Prototypes,
    PrototypeSource,
    read_prototypes,
    recorded_features,
)
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)

HEAD = "MODEL.ROI_RELATION_HEAD."


def visual_source(cfg) -> PrototypeSource | None:
    """The visual prototypes' file; None if the branch is off (VIS_PRO_PATH '') or the file is to be written (STORE_UNION)."""
    head = cfg.MODEL.ROI_RELATION_HEAD
    if not head.VIS_PRO_PATH or head.STORE_UNION:
        return None
    if head.VIS_VAE_INPUT_DIM != head.VIS_PRO_DIM:
        raise _widths_differ("VIS_VAE_INPUT_DIM", head.VIS_VAE_INPUT_DIM, "VIS_PRO_DIM", head.VIS_PRO_DIM)
    return PrototypeSource(
        key=f"{HEAD}VIS_PRO_PATH",
        path=head.VIS_PRO_PATH,
        dim_key=f"{HEAD}VIS_PRO_DIM",
        dim=head.VIS_PRO_DIM,
        tool="tools/extract_visual_prototypes.py",
        features=("detector", "relation"),
    )


def conceptual_source(cfg) -> PrototypeSource | None:
    """The conceptual prototypes' file, the one that CON_PRO_TYPE names; None if the branch is off (NONE, or STORE_UNION)."""
    head = cfg.MODEL.ROI_RELATION_HEAD
    if head.CON_PRO_TYPE == "NONE" or head.STORE_UNION:
        return None
    if not head.VIS_PRO_PATH:
        raise UserError(
            f"{HEAD}CON_PRO_TYPE is {head.CON_PRO_TYPE}, but VIS_PRO_PATH is empty: the conceptual branch needs the visual one; "
            "name a file of visual prototypes, or set CON_PRO_TYPE NONE"
        )
    if head.CON_VAE_INPUT_DIM != head.CON_PRO_DIM:
        raise _widths_differ("CON_VAE_INPUT_DIM", head.CON_VAE_INPUT_DIM, "CON_PRO_DIM", head.CON_PRO_DIM)
    key = f"CON_PRO_{head.CON_PRO_TYPE}_PATH"
    path = head[key]
    if not path:
        raise UserError(
            f"{HEAD}CON_PRO_TYPE is {head.CON_PRO_TYPE}, but {key} is empty; name a file of tools/extract_conceptual_prototypes.py"
        )
    return PrototypeSource(
        key=HEAD + key,
        path=path,
        dim_key=f"{HEAD}CON_PRO_DIM",
        dim=head.CON_PRO_DIM,
        tool="tools/extract_conceptual_prototypes.py",
        features=("text",),
    )


def read_or_start(source: PrototypeSource, predicates: Sequence[str], seed: int) -> tuple[Prototypes, str | None]:
    """
    The prototypes of a file; if it is not there, seeded random ones of the same shape for a checkpoint to fill.

    Returns:
        The prototypes, and why they are unfilled (None if they are not).
    """
    if Path(source.path).is_file():
        return read_prototypes(source, predicates), None
    generator = torch.Generator().manual_seed(seed)
    bank = torch.randn(len(predicates), source.dim, generator=generator)
    return Prototypes(bank=bank), str(source.error("no such file", "make it with"))


def visual_features(cfg) -> str:
    """
    The features that meet the visual prototypes: 'detector' or 'relation'.

    VIS_PRO_FEATURES 'auto' is what the file records; a file without record, or none, counts as 'relation'. A checkpoint's config keeps
    this answer in place of 'auto'. A file that records other features than the key asks for is used with a warning.
    """
    head = cfg.MODEL.ROI_RELATION_HEAD
    configured = head.VIS_PRO_FEATURES
    recorded = recorded_features(head.VIS_PRO_PATH) if head.VIS_PRO_PATH and not head.STORE_UNION else None
    if configured == "auto":
        return "detector" if recorded == "detector" else "relation"
    if recorded not in (None, configured):
        warn_once(
            logger,
            f"{HEAD}VIS_PRO_PATH {head.VIS_PRO_PATH}: its rows are {recorded} features, but VIS_PRO_FEATURES is {configured}: pairs and "
            "prototypes lie in different spaces; set VIS_PRO_FEATURES auto, or rerun tools/extract_visual_prototypes.py",
        )
    return configured


def check_visual_width(features: str, width: int, dim: int) -> None:
    """UserError if the union features that meet the visual prototypes (`features`: detector or relation) are not as wide as these."""
    if width != dim:
        raise UserError(
            f"{HEAD}VIS_PRO_DIM is {dim}, but the union features that meet the prototypes ({features}) are {width} wide; set it to {width}"
        )


def _widths_differ(vae_key: str, vae_dim: int, bank_key: str, bank_dim: int) -> UserError:
    return UserError(f"{HEAD}{vae_key} is {vae_dim}, {bank_key} is {bank_dim}; the VAE reads the prototypes, so set both alike")
