"""Rules between the names in weight files and those of the models here."""

import re
from bisect import bisect_right
from collections.abc import Collection, Container, Iterable, Iterator

# What the names of a detector or relation model begin with; other names are those of an ImageNet network.
OWN_PREFIXES = ("backbone.", "rpn.", "roi_heads.")
BODY = "backbone.body."
# What programs put around a model, and so before its names: torch.compile (anywhere), data parallelism, trainers.
_COMPILED = "_orig_mod."
_AROUND = ("module.", "model.")
_OWN_INSIDE = re.compile(r"(?:\w+\.)+?(?=(?:backbone|rpn|roi_heads)\.)")
C4_HEAD = "roi_heads.box.feature_extractor.head."

# Relation extractors that start from the detector's: (prefix of the target, prefix of its source).
DETECTOR_COPIES = (
    ("roi_heads.relation.box_feature_extractor.", "roi_heads.box.feature_extractor."),
    ("roi_heads.relation.union_feature_extractor.feature_extractor.", "roi_heads.box.feature_extractor."),
    ("roi_heads.relation.att_feature_extractor.", "roi_heads.attribute.feature_extractor."),
    ("roi_heads.relation.union_feature_extractor.att_feature_extractor.", "roi_heads.attribute.feature_extractor."),
)

_DETECTRON_STEM = {
    "conv1_w": "stem.conv1.weight",
    "res_conv1_bn_s": "stem.bn1.weight",
    "res_conv1_bn_b": "stem.bn1.bias",
}
_DETECTRON_BLOCK = re.compile(r"res(?P<stage>[2-5])_(?P<block>\d+)_branch(?P<branch>1|2a|2b|2c)_(?P<kind>w|bn_s|bn_b)")
_BRANCHES = {
    "1": ("downsample.0", "downsample.1"),
    "2a": ("conv1", "bn1"),
    "2b": ("conv2", "bn2"),
    "2c": ("conv3", "bn3"),
}

# EfficientNet-Lite0: the first block of each stage and the number of all, and the parts of a block: of the first one,
# which does not expand, and of the others.
_EFFICIENTNET_STAGES = (0, 1, 3, 5, 8, 11, 15, 16)
_EFFICIENTNET_BLOCK = re.compile(r"_blocks\.(?P<block>\d+)\.(?P<part>_\w+)\.(?P<kind>\w+)")
_EFFICIENTNET_ENDS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_PLAIN_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_EXPANDING_BLOCK = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3"
}  # fmt: skip


def detectron_name(name: str) -> str | None:
    """
    The name under the ResNet body of a Detectron blob (`res2_0_branch2a_w` -> `layer1.0.conv1.weight`), None if it is
    none. A norm comes as scale and bias alone: its running statistics are folded in already.
    """
    if name in _DETECTRON_STEM:
        return _DETECTRON_STEM[name]
    match = _DETECTRON_BLOCK.fullmatch(name)
    if match is None:
        return None
    convolution, norm = _BRANCHES[match["branch"]]
    last = {"w": f"{convolution}.weight", "bn_s": f"{norm}.weight", "bn_b": f"{norm}.bias"}[match["kind"]]
    return f"layer{int(match['stage']) - 1}.{match['block']}.{last}"


def efficientnet_name(name: str) -> str | None:
    """
    timm's name of an entry of EfficientNet-Lite0 as its PyTorch port counts it, None if it is none.

    The port numbers the blocks through, timm by stage; what the port calls by its role, timm counts within the block,
    and the first block does not expand (`_blocks.3._bn1.weight` -> `blocks.2.0.bn2.weight`).
    """
    if (match := _EFFICIENTNET_BLOCK.fullmatch(name)) is None:
        part, _, kind = name.partition(".")
        return f"{_EFFICIENTNET_ENDS[part]}.{kind}" if part in _EFFICIENTNET_ENDS else None
    block = int(match["block"])
    parts = _EXPANDING_BLOCK if block > 0 else _PLAIN_BLOCK
    if block >= _EFFICIENTNET_STAGES[-1] or match["part"] not in parts:
        return None
    stage = bisect_right(_EFFICIENTNET_STAGES, block) - 1
    return f"blocks.{stage}.{block - _EFFICIENTNET_STAGES[stage]}.{parts[match['part']]}.{match['kind']}"


def candidates(name: str) -> Iterator[str]:
    """The names an entry of a file can have in a model, likeliest first: its own, then ImageNet backbones' by rule."""
    yield name
    if name.startswith(OWN_PREFIXES):
        return
    backbone = detectron_name(name) or efficientnet_name(name) or name
    yield BODY + backbone
    yield C4_HEAD + backbone
    if backbone.startswith(("conv1.", "bn1.")):
        yield f"{BODY}stem.{backbone}"
    if backbone.startswith("features."):  # torchvision's VGG
        yield f"{BODY}conv_body.{backbone[len('features.') :]}"
    yield f"{BODY}net.{backbone}"  # timm, as a whole or taken apart into stages (stages.0.x is stages_0.x there)
    yield f"{BODY}net.{backbone.replace('.', '_', 1)}"


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """
    Name in a file -> name without what programs put before it: `module.`, `_orig_mod.`, whatever stands before one of
    OWN_PREFIXES, and `model.` where all names have it. A name that is there without a prefix too keeps its prefix.

    Raises:
        ValueError: two prefixes stand before the same name, and neither is the plain one.
    """
    short = {}
    for name in names:
        plain = re.sub(rf"(?:^|(?<=\.)){re.escape(_COMPILED)}", "", name)
        short[name] = re.sub(rf"^(?:{re.escape(_AROUND[0])})+", "", plain)
    while short and all(plain.startswith(_AROUND) for plain in short.values()):
        short = {name: plain.split(".", 1)[1] for name, plain in short.items()}
    there = set(short.values())
    plain_of: dict[str, str] = {}
    name_of: dict[str, str] = {}
    for name, plain in short.items():
        prefix = None if plain.startswith(OWN_PREFIXES) else _OWN_INSIDE.match(plain)
        own = plain[prefix.end() :] if prefix else plain
        plain_of[name] = plain if own in there else own
        first = name_of.setdefault(plain_of[name], name)
        if first != name:
            raise ValueError(f"it holds both {first} and {name}: keep the tensors under one of the two prefixes")
    return plain_of


def target_name(name: str, targets: Container[str]) -> str | None:
    """The name in the model that an entry of a file belongs to, None if it has none."""
    return next((candidate for candidate in candidates(name) if candidate in targets), None)


def copy_source(target: str, sources: Container[str], copies: Iterable[tuple[str, str]]) -> str | None:
    """The detector's entry that a relation extractor's entry starts from, None if there is none among the sources."""
    for prefix, source_prefix in copies:
        if target.startswith(prefix) and source_prefix + target[len(prefix) :] in sources:
            return source_prefix + target[len(prefix) :]
    return None


def holds_relation(names: Iterable[str]) -> bool:
    """Whether these names of weights (without `module.`) are those of a relation model."""
    return any(name.startswith("roi_heads.relation.") for name in names)


def holds_detector(names: Iterable[str]) -> bool:
    """Whether these names (without `module.`) are of proposals and box head, with or without relations."""
    found = {prefix for name in names for prefix in ("rpn.", "roi_heads.box.") if name.startswith(prefix)}
    return len(found) == 2


def holds_backbone_only(names: Collection[str], targets: Container[str]) -> bool:
    """
    Whether these names of weights are those of a backbone, such as an ImageNet network, and of nothing above it.

    Args:
        names: plain ones (plain_names).
        targets: names in the model. Half of the file's at least, all but an ImageNet network's classifier, fill its
            backbone.
    """
    if any(name.startswith(("rpn.", "roi_heads.")) for name in names):
        return False
    fitting = sum((target_name(name, targets) or "").startswith("backbone.") for name in names)
    return fitting > 0 and 2 * fitting >= len(names)


def summarise(names: Iterable[str], limit: int = 5) -> str:
    """Names for a line of a log: grouped by their first parts, each group with its count, the largest groups first."""
    groups: dict[str, int] = {}
    for name in names:
        parts = name.split(".")
        depth = 4 if parts[0] == "roi_heads" else 3
        group = name if len(parts) <= depth else ".".join(parts[:depth]) + ".*"
        groups[group] = groups.get(group, 0) + 1
    largest = sorted(groups.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{group} ({count})" if count > 1 else group for group, count in largest[:limit]]
    return ", ".join(shown) + (f" and {len(largest) - limit} groups more" if len(largest) > limit else "")
