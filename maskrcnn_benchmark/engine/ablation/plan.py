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
        detector_iterations: of Faster R-CNN; 0: no detector, so backbone and pyramid learn along with the extractors,
            and no SGDet.
        extractor_iterations: of the PE-Net whose extractors all models share.
        head_iterations, sgdet_iterations: of each compared model.
        noise_seeds: with which SPLN is tested once more, noise left on.
    """

    name: str
    data: str
    sizes: Sizes
    seeds: tuple[int, ...]
    detector_iterations: int
    extractor_iterations: int
    head_iterations: int
    sgdet_iterations: int = 0
    noise_seeds: tuple[int, ...] = ()


FULL = Scale(
    name="full",
    data="scenes",
    sizes=Sizes(),
    seeds=(1, 2, 3),
    detector_iterations=400,
    extractor_iterations=500,
    head_iterations=1000,
    sgdet_iterations=400,
    noise_seeds=(1, 2, 3, 4, 5),
)
QUICK = Scale(
    name="quick",
    data="scenes_small",
    sizes=SMALL,
    seeds=(1,),
    detector_iterations=0,
    extractor_iterations=200,
    head_iterations=600,
)


@dataclass(frozen=True)
class Model:
    """One line of the table: its name and the keys that make it."""

    name: str
    keys: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The name as one of a folder."""
        return "".join(c if c.isalnum() else "-" for c in self.name.lower()).strip("-")


PENET_KEYS = (f"{HEAD}PREDICTOR", "PrototypeEmbeddingNetwork", f"{HEAD}VIS_PRO_PATH", "", f"{HEAD}CON_PRO_TYPE", "NONE")
PENET = Model("PE-Net", PENET_KEYS)
# Factor of the VAEs' losses in the demo and in every SPLN here but one.
VAE_WEIGHT = 0.01
# 1 / (1 - beta) is as far below the examples of the most frequent predicate as the default's is on Visual Genome, so
# that background pairs keep about the weight that they have there.
REWEIGHT_BETA = 0.999


def compared_models(scale: Scale, visual: Path, conceptual: Path, *, width: int, concept_width: int) -> list[Model]:
    """
    The lines of the table; SPLN whole is the last.

    Args:
        scale: the curriculum of the weights takes half its iterations, as published (30,000 of 60,000).
        visual, conceptual: prototype files. width: F of union features and visual prototypes. concept_width: of the
            conceptual ones.
    """
    reweight = ("MODEL.USE_REWEIGHT", "PENET", "MODEL.REWEIGHT_BETA", str(REWEIGHT_BETA))
    reweight += ("MODEL.REWEIGHT_CURRICULUM", str(scale.head_iterations // 2))
    network = (f"{HEAD}PREDICTOR", "PrototypeEmbeddingNetwork", *_prefixed("VAE_WEIGHT", VAE_WEIGHT))
    visual_term = _prefixed(
        "VIS_PRO_PATH", visual, "VIS_PRO_DIM", width, "VIS_VAE_INPUT_DIM", width, "VIS_VAE_LATENT_DIM", width // 4
    )
    conceptual_term = _prefixed("CON_PRO_TYPE", "LLAMA", "CON_PRO_LLAMA_PATH", conceptual, "CON_PRO_DIM", concept_width)
    conceptual_term += _prefixed("CON_VAE_INPUT_DIM", concept_width, "CON_VAE_LATENT_DIM", concept_width // 4)
    whole = (*network, *visual_term, *conceptual_term, *reweight)
    return [
        Model("Motifs", (f"{HEAD}PREDICTOR", "MotifPredictor")),
        PENET,
        Model("PE-Net with reweighting", (*PENET_KEYS, *reweight)),
        Model("SPLN without reweighting", (*network, *visual_term, *conceptual_term)),
        Model("SPLN without visual", (*network, *_prefixed("VIS_PRO_PATH", ""), *conceptual_term, *reweight)),
        Model("SPLN without conceptual", (*network, *visual_term, *_prefixed("CON_PRO_TYPE", "NONE"), *reweight)),
        Model("SPLN without curriculum", (*whole, "MODEL.USE_REWEIGHT", "CLASS_BALANCED")),
        Model("SPLN with gates as they start", (*whole, *_prefixed("TRAIN_GATES", False))),
        Model("SPLN with VAE_WEIGHT 1", (*whole, *_prefixed("VAE_WEIGHT", 1.0))),
        Model("SPLN", whole),
    ]


def _prefixed(*words: object) -> tuple[str, ...]:
    """Keys of the relation head with their prefix, and values, as text."""
    return tuple(HEAD + str(word) if i % 2 == 0 else str(word) for i, word in enumerate(words))


def schedule(iterations: int, *, batch: int, rate: float, warmup: int) -> Keys:
    """Keys of a training: SOLVER.BASE_LR `rate`, a tenth of it from two thirds on, a hundredth from nine tenths on."""
    steps = f"({max(iterations * 2 // 3, 1)}, {max(iterations * 9 // 10, 1)})"
    keys = ["SOLVER.MAX_ITER", iterations, "SOLVER.STEPS", steps, "SOLVER.IMS_PER_BATCH", batch, "SOLVER.BASE_LR", rate]
    return [str(word) for word in [*keys, "SOLVER.WARMUP_ITERS", min(warmup, iterations // 4)]]
