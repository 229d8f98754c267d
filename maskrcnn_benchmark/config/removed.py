"""Keys that earlier versions had, and what takes their place; naming one is an error that says so."""

_HEAD = "MODEL.ROI_RELATION_HEAD."
_ONE_SPACE = (
    "visual prototypes are the relation head's own union features, and the VAE sees nothing else; leave the key out"
)
_FUSED = (
    "the predictor's logit_wt1, logit_wt2 and logit_wt3 weigh SPLN's terms per predicate and are trained; leave the"
    " key out"
)
_ONE_LOSS = (
    "loss_rel on the fused logits is SPLN's only cross-entropy, and its prototypes have one similarity loss each; leave"
    " the key out"
)
_VAE = f"{_HEAD}VAE_WEIGHT weighs both terms of both VAEs"

REMOVED = {
    f"{_HEAD}VIS_PRO_FEATURES": _ONE_SPACE,
    f"{_HEAD}CON_LAYOUT": "the conceptual term reads the pair's representation alone; leave the key out",
    f"{_HEAD}FUSION": _FUSED,
    f"{_HEAD}BRANCH_LOSS_WEIGHT": _ONE_LOSS,
    f"{_HEAD}BRANCH_PROTO_LOSS_WEIGHT": _ONE_LOSS,
    f"{_HEAD}VAE_REC_WEIGHT": _VAE,
    f"{_HEAD}VAE_KL_WEIGHT": _VAE,
    "MODEL.LOGIT_ADJUSTMENT": "MODEL.USE_REWEIGHT PENET or CLASS_BALANCED makes rare predicates count for more",
    "MODEL.REWEIGHT_BACKGROUND": (
        "MODEL.USE_REWEIGHT gives the background 1 - REWEIGHT_BETA, the smallest weight; leave the key out"
    ),
}
