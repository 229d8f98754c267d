"""Keys of training (SOLVER), of what is told of it (LOG), and of evaluation (TEST)."""

from maskrcnn_benchmark.config.node import Config

SOLVER = Config()
# Images a batch, over all processes together.
SOLVER.IMS_PER_BATCH = 16
# Batches whose gradients are averaged before an update, for updates larger than memory; an iteration is an update.
SOLVER.ACCUMULATE = 1
# Iterations.
SOLVER.MAX_ITER = 40000
# Learning rate of one image an update; see the next key.
SOLVER.BASE_LR = 0.002
# Multiply learning rates by the images of an update (IMS_PER_BATCH, times ACCUMULATE), as the published tools do in
# silence.
SOLVER.SCALE_LR_BY_BATCH = True
# Factor on the learning rate of parameters with "bias" in their name.
SOLVER.BIAS_LR_FACTOR = 2
# Momentum of SGD.
SOLVER.MOMENTUM = 0.9
# Weight decay.
SOLVER.WEIGHT_DECAY = 0.0005
# Weight decay of parameters with "bias" in their name.
SOLVER.WEIGHT_DECAY_BIAS = 0.0
# Gradients are scaled down to this norm over all parameters; 0 means never.
SOLVER.GRAD_NORM_CLIP = 5.0
# Published beside the former, read by nothing. Accepted, without effect.
SOLVER.CLIP_NORM = 5.0
# Iterations with a loss or gradient that is not finite that may be skipped in a row; 0 stops at the first.
SOLVER.SKIP_NONFINITE = 0
# Gradient norms a parameter are logged every so many iterations; 0 means never.
SOLVER.PRINT_GRAD_FREQ = 5000
# Iterations between two lines of losses in the log and in metrics.jsonl.
SOLVER.LOG_PERIOD = 10
# Iterations between checkpoints.
SOLVER.CHECKPOINT_PERIOD = 2500
# Validate during training.
SOLVER.TO_VAL = True
# Validate once before the first iteration.
SOLVER.PRE_VAL = True
# Iterations between validations.
SOLVER.VAL_PERIOD = 2500
# A resumed run takes milestones and factors from the present config, not from the checkpoint.
SOLVER.UPDATE_SCHEDULE_DURING_LOAD = False

# ---- Learning rate over time -----------------------------------------------------------------------------------------
# Iterations of warm-up.
SOLVER.WARMUP_ITERS = 500
# Factor at the start of warm-up.
SOLVER.WARMUP_FACTOR = 1.0 / 3
# linear up to 1, or constant.
SOLVER.WARMUP_METHOD = "linear"
# WarmupMultiStepLR: iterations at which the rate is multiplied by GAMMA.
SOLVER.STEPS = (30000,)
# WarmupMultiStepLR: factor at each of them.
SOLVER.GAMMA = 0.1
SOLVER.SCHEDULE = Config()
# WarmupMultiStepLR, or WarmupReduceLROnPlateau, which the keys below belong to.
SOLVER.SCHEDULE.TYPE = "WarmupMultiStepLR"
# Validation result that is watched, as metrics.json names it: R@100 is "R" at "100".
SOLVER.SCHEDULE.METRIC = "R@100"
# Results in a row that are not better before the rate falls.
SOLVER.SCHEDULE.PATIENCE = 2
# A result is better if it exceeds the best by more than this, results being fractions.
SOLVER.SCHEDULE.THRESHOLD = 0.0001
# Results after a fall, and at the start, that are not held against it.
SOLVER.SCHEDULE.COOLDOWN = 1
# Factor of a fall.
SOLVER.SCHEDULE.FACTOR = 0.5
# Training stops at this many falls.
SOLVER.SCHEDULE.MAX_DECAY_STEP = 7

LOG = Config()
# Where the figures of a training go beside metrics.jsonl: tensorboard (OUTPUT_DIR/tensorboard), wandb, mlflow; the last
# two are the extras of these names, and their own environment variables say where they write.
LOG.WRITERS = ("tensorboard",)
# The writers get this many pictures of the first validation images with their predicted graphs; 0 means none. There are
# none from a feature cache, which opens no image.
LOG.PICTURES = 4
# Name of the project (wandb) or the experiment (mlflow) that runs are put into; a run is named as its OUTPUT_DIR.
LOG.PROJECT = "scene-graphs"

TEST = Config()
# Images a step at test, over all processes together.
TEST.IMS_PER_BATCH = 8
# Published for RetinaNet. Accepted, without effect: MODEL.ROI_HEADS.DETECTIONS_PER_IMG limits detections.
TEST.DETECTIONS_PER_IMG = 100
# (data set, kind, metric, mean, deviation) rows that a result is compared with.
TEST.EXPECTED_RESULTS = ()
# Deviations from the mean that pass.
TEST.EXPECTED_RESULTS_SIGMA_TOL = 4
# Write the detections beside the metrics, for DATASETS.PROPOSALS.
TEST.SAVE_PROPOSALS = False
# Write each image's relation predictions under inference/<data set>/predictions, for tools/evaluate.py and
# tools/report.py.
TEST.SAVE_PREDICTIONS = False
# Published switch to read predictions of an earlier evaluation. Accepted, without effect: tools/evaluate.py evaluates
# saved ones.
TEST.ALLOW_LOAD_FROM_CACHE = True
# relation_test_net.py predicts the images in CUSTUM_PATH instead of a data set (docs/predict.md).
TEST.CUSTUM_EVAL = False
# Folder of one's own images.
TEST.CUSTUM_PATH = "."

TEST.BBOX_AUG = Config()
# Detect on several versions of each image.
TEST.BBOX_AUG.ENABLED = False
# A mirrored one.
TEST.BBOX_AUG.H_FLIP = False
# These lengths of the shorter side.
TEST.BBOX_AUG.SCALES = ()
# Limit of the longer side.
TEST.BBOX_AUG.MAX_SIZE = 4000
# Each length mirrored too.
TEST.BBOX_AUG.SCALE_H_FLIP = False

TEST.RELATION = Config()
# Which metric decides on model_best.pth, as SOLVER.SCHEDULE.METRIC is written.
TEST.RELATION.BEST_METRIC = "mR@100"
# IoU at which a box counts as found.
TEST.RELATION.IOU_THRESHOLD = 0.5
# SGDet: only pairs of overlapping boxes are scored.
TEST.RELATION.REQUIRE_OVERLAP = True
# SGDet: a box with a class takes that class from boxes that overlap it by at least this IoU.
TEST.RELATION.LATER_NMS_PREDICTION_THRES = 0.3
# Spread the predicates of like pairs before ranking (PE-Net's published PredCls and SGCls figures).
TEST.RELATION.REL_NMS = False
# Published, read by nothing. Accepted, without effect: every evaluation reports results without graph constraint too.
TEST.RELATION.MULTIPLE_PREDS = False
# Published way to gather results over processes. Accepted, without effect: evaluation streams.
TEST.RELATION.SYNC_GATHER = False
