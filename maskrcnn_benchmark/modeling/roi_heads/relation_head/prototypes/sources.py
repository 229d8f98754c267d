"""What a config says of prototype files: which terms are on, which file each reads, whether widths agree."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import PrototypeSource, read_prototypes
from maskrcnn_benchmark.utils.errors import UserError

HEAD = "MODEL.ROI_RELATION_HEAD."


def names_prototypes(cfg: Config) -> bool:
    """Whether any prototype file is to be read; not with STORE_UNION, which writes one."""
    head = cfg.MODEL.ROI_RELATION_HEAD
    return not head.STORE_UNION and (bool(head.VIS_PRO_PATH) or head.CON_PRO_TYPE != "NONE")


def visual_source(cfg: Config, in_channels: int) -> PrototypeSource | None:
    """
    The visual prototypes' file; None without the visual term (VIS_PRO_PATH '').

    Args:
        in_channels: F, width of the union features.
    Raises:
        UserError: the VAE over union features, these and the space that pairs and prototypes are compared in differ in
            width.
    """
    head = cfg.MODEL.ROI_RELATION_HEAD
    if not head.VIS_PRO_PATH:
        return None
    if head.VIS_VAE_INPUT_DIM != in_channels:
        raise UserError(
            f"{HEAD}VIS_VAE_INPUT_DIM is {head.VIS_VAE_INPUT_DIM}, but the union features that its VAE restores are"
            f" {in_channels} wide (MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM); set both alike"
        )
    if head.VIS_VAE_INPUT_DIM != 2 * head.PENET_MLP_DIM:
        raise UserError(
            f"{HEAD}VIS_VAE_INPUT_DIM is {head.VIS_VAE_INPUT_DIM}, but pairs and prototypes are compared at twice"
            f" PENET_MLP_DIM, {2 * head.PENET_MLP_DIM}; set PENET_MLP_DIM to {head.VIS_VAE_INPUT_DIM // 2}, or both"
            f" other widths to {2 * head.PENET_MLP_DIM}"
        )
    return _source(head, "VIS_PRO_PATH", "VIS_PRO_DIM", "tools/extract_visual_prototypes.py")


def conceptual_source(cfg: Config) -> PrototypeSource | None:
    """
    The file that CON_PRO_TYPE names; None without the conceptual term (NONE).

    Raises:
        UserError: no file under the type's key, or a VAE of another width than the prototypes.
    """
    head = cfg.MODEL.ROI_RELATION_HEAD
    if head.CON_PRO_TYPE == "NONE":
        return None
    if head.CON_VAE_INPUT_DIM != head.CON_PRO_DIM:
        raise UserError(
            f"{HEAD}CON_VAE_INPUT_DIM is {head.CON_VAE_INPUT_DIM}, CON_PRO_DIM is {head.CON_PRO_DIM}; the VAE restores"
            " the prototypes, so set both alike"
        )
    key = f"CON_PRO_{head.CON_PRO_TYPE}_PATH"
    if not head[key]:
        raise UserError(
            f"{HEAD}CON_PRO_TYPE is {head.CON_PRO_TYPE}, but {key} is empty; name a file of"
            " tools/extract_conceptual_prototypes.py"
        )
    return _source(head, key, "CON_PRO_DIM", "tools/extract_conceptual_prototypes.py")


def _source(head: Config, key: str, dim_key: str, tool: str) -> PrototypeSource:
    return PrototypeSource(key=HEAD + key, path=head[key], dim_key=HEAD + dim_key, dim=head[dim_key], tool=tool)


def read_or_start(
    source: PrototypeSource | None, predicates: Sequence[str], seed: int
) -> tuple[Tensor | None, str | None]:
    """
    The bank (K, width) of a file, None without a source; if the file is not there, a seeded random one of the same
    shape for a checkpoint to fill, and why.
    """
    if source is None:
        return None, None
    if Path(source.path).is_file():
        return read_prototypes(source, predicates), None
    bank = torch.randn(len(predicates), source.dim, generator=torch.Generator().manual_seed(seed))
    return bank, str(source.error("no such file", "make it with"))
