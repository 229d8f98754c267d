"""Keys of images, data sets and loading."""

from maskrcnn_benchmark.config.node import Config

INPUT = Config()
# Length of the shorter image side in training, in pixels; of several one is drawn an image.
INPUT.MIN_SIZE_TRAIN = (800,)
# Limit of the longer side in training; the shorter gives way.
INPUT.MAX_SIZE_TRAIN = 1333
# Length of the shorter side at test.
INPUT.MIN_SIZE_TEST = 800
# Limit of the longer side at test.
INPUT.MAX_SIZE_TEST = 1333
# Mean of a pixel, subtracted; in the order of the channels that the network sees (BGR).
INPUT.PIXEL_MEAN = (102.9801, 115.9465, 122.7717)
# What a pixel is divided by after the mean; 1 for the published weights.
INPUT.PIXEL_STD = (1.0, 1.0, 1.0)
# Channels as blue, green, red from 0 to 255, as the published weights want; False: red, green, blue from 0 to 1.
INPUT.TO_BGR255 = True
# Probability that a training image is mirrored (the published tools hard-code 0.5); 0 suits data with predicates such
# as "left of".
INPUT.HORIZONTAL_FLIP_PROB_TRAIN = 0.5
# Probability that a training image is turned upside down.
INPUT.VERTICAL_FLIP_PROB_TRAIN = 0.0
# Largest relative change of brightness drawn for a training image; the next three alike. 0: none.
INPUT.BRIGHTNESS = 0.0
# Largest relative change of contrast.
INPUT.CONTRAST = 0.0
# Largest relative change of saturation.
INPUT.SATURATION = 0.0
# Largest shift of hue, as a part of the colour circle, at most 0.5.
INPUT.HUE = 0.0

DATASETS = Config()
# Data sets to train on, by their names in data/datasets/catalog.py.
DATASETS.TRAIN = ()
# Data sets that validation during training reads.
DATASETS.VAL = ()
# Data sets that the test tools evaluate.
DATASETS.TEST = ()
# Which of the three lists the relation test tool evaluates: train, val or test; null means test.
DATASETS.TO_TEST = None
# File of boxes, labels or logits from any detector that take the place of the detector's own; '' means none.
DATASETS.PROPOSALS = ""
# Leave images out, with a count, whose file is missing or does not decode; False: such a file is an error that names
# it.
DATASETS.SKIP_MISSING_IMAGES = False
# File of zero-shot triplets (.npy or torch.save, rows subject class, object class, predicate); '': test triplets that
# training lacks.
DATASETS.ZEROSHOT_FILE = ""

DATALOADER = Config()
# Worker processes that load images, a training process; 0 loads in the process itself.
DATALOADER.NUM_WORKERS = 4
# Seconds that a batch of the workers may take before the run stops with an error that says what is wrong; 0 waits
# without end.
DATALOADER.TIMEOUT = 300
# Width and height of a batch are rounded up to a multiple of this; 0 means no rounding. FPN needs 32.
DATALOADER.SIZE_DIVISIBILITY = 0
# Training batches do not mix images wider than high with others, which saves padding.
DATALOADER.ASPECT_RATIO_GROUPING = True
# Folder of cached relation features, made on the first pass; needs MODEL.ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS.
# '' means none.
DATALOADER.FEATURE_CACHE = ""
