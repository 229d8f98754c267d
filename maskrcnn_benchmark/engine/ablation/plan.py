"""What the quality benchmark compares, and how much work it puts into it."""

from dataclasses import dataclass
from pathlib import Path

from maskrcnn_benchmark.data.scenes.write import SMALL, Sizes

HEAD = "MODEL.ROI_RELATION_HEAD."
Keys = list[str]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """
    How much is trained, and on what.

    Attributes:
        name: "full" or "quick". data: folder of the data set in DATA_DIR. sizes: its images.
        seeds: values of SEED; each model is trained once with each.
        detector_iterations: of Faster R-CNN; 0: no detector, so trunk and pyramid learn along with the extractors, no SGDet and no
            visual prototypes in the detector's space.
        extractor_iterations: of the PE-Net whose extractors all models share.
        head_iterations, sgdet_iterations: of each compared model.
    """

    name: str
    data: str
    sizes: Sizes
    seeds: tuple[int, ...]
    detector_iterations: int
    extractor_iterations: int
    head_iterations: int
    sgdet_iterations: int = 0


FULL = Scale(
    name="full",
    data="scenes",
    sizes=Sizes(),
    seeds=(1, 2, 3),
    detector_iterations=400,
    extractor_iterations=500,
    head_iterations=1000,
    sgdet_iterations=400,
)
QUICK = Scale(
    name="quick", data="scenes_small", sizes=SMALL, seeds=(1,), detector_iterations=0, extractor_iterations=200, head_iterations=600
)
SCALES = {scale.name: scale for scale in (FULL, QUICK)}


@dataclass(frozen=True)
class Model:
    """One line of the table: its name, the keys that make it, whose features its visual prototypes are of (None: it has none)."""

    name: str
    keys: tuple[str, ...]
    source: str | None = None

    @property
    def folder(self) -> str:
        """The name as one of a folder."""
        return "".join(c if c.isalnum() else "-" for c in self.name.lower()).strip("-")


PENET_KEYS = (f"{HEAD}PREDICTOR", "PrototypeEmbeddingNetwork", f"{HEAD}VIS_PRO_PATH", "", f"{HEAD}CON_PRO_TYPE", "NONE")
PENET = Model("PE-Net", PENET_KEYS)
REWEIGHT = ("MODEL.USE_REWEIGHT", "CLASS_BALANCED")
BASELINES = (
    Model("Motifs", (f"{HEAD}PREDICTOR", "MotifPredictor")),
    PENET,
    Model("PE-Net-Reweight", (*PENET_KEYS, *REWEIGHT)),
)


def spln(folder: Path, source: str, *, width: int, concept_width: int, without_layout: bool = False) -> list[Model]:
    """
    SPLN whole and, before it, without its conceptual branch and without its selection; all with the weights of PE-Net-Reweight.

    Args:
        folder: of the prototype files, visual_<source>.pt and conceptual.pt.
        source: relation or detector.
        width, concept_width: of the two.
        without_layout: whether there is to be one that does not read where boxes lie, too.
    """
    visual = ("VIS_PRO_PATH", folder / f"visual_{source}.pt", "VIS_PRO_DIM", width, "VIS_VAE_INPUT_DIM", width)
    visual += ("VIS_VAE_LATENT_DIM", width // 4, "CON_PRO_TYPE", "NONE", "BRANCH_LOSS_WEIGHT", 1.0)
    concepts = ("CON_PRO_TYPE", "LLAMA", "CON_PRO_LLAMA_PATH", folder / "conceptual.pt", "CON_PRO_DIM", concept_width)
    concepts += ("CON_VAE_INPUT_DIM", concept_width, "CON_VAE_LATENT_DIM", concept_width // 4)
    versions = [
        ("SPLN without conceptual", visual),
        *([("SPLN without layout", (*visual, *concepts, "CON_LAYOUT", False))] if without_layout else []),
        ("SPLN with mean fusion", (*visual, *concepts, "FUSION", "mean")),
        ("SPLN", (*visual, *concepts, "FUSION", "selective")),
    ]
    network = (f"{HEAD}PREDICTOR", "PrototypeEmbeddingNetwork", *REWEIGHT)
    return [Model(f"{name} ({source})", (*network, *_prefixed(words)), source) for name, words in versions]


def _prefixed(words: tuple) -> tuple[str, ...]:
    """Keys of the relation head with their prefix, and values, as text."""
    return tuple(HEAD + word if i % 2 == 0 else str(word) for i, word in enumerate(words))


def schedule(iterations: int, *, batch: int, rate: float, warmup: int) -> Keys:
    """Keys of a training: `rate` an image (SOLVER.BASE_LR), a tenth of it from two thirds on, a hundredth from nine tenths on."""
    steps = f"({iterations * 2 // 3}, {iterations * 9 // 10})"
    keys = ["SOLVER.MAX_ITER", iterations, "SOLVER.STEPS", steps, "SOLVER.IMS_PER_BATCH", batch, "SOLVER.BASE_LR", rate]
    return [str(word) for word in [*keys, "SOLVER.WARMUP_ITERS", min(warmup, iterations // 4)]]
