"""Keys of region proposals, box head and attribute head, all under MODEL."""

from maskrcnn_benchmark.config.node import Config

RPN = Config()
# Proposals from every level of the pyramid, each with one anchor size; False: one map, all sizes.
RPN.USE_FPN = False
# Anchor sizes in pixels, one per level with FPN.
RPN.ANCHOR_SIZES = (32, 64, 128, 256, 512)
# Pixels between anchors, one number per level.
RPN.ANCHOR_STRIDE = (16,)
# Height / width of the anchors.
RPN.ASPECT_RATIOS = (0.5, 1.0, 2.0)
# Anchors that stick out of the image by this many pixels or more are left out of training; negative: none is.
RPN.STRADDLE_THRESH = 0
# The head over each map.
RPN.RPN_HEAD = "SingleConvRPNHead"
# Channels of the head's 3x3 convolution.
RPN.RPN_MID_CHANNEL = 512
# An anchor with at least this IoU to an annotated box is positive.
RPN.FG_IOU_THRESHOLD = 0.7
# An anchor below this IoU to every annotated box is negative.
RPN.BG_IOU_THRESHOLD = 0.3
# Anchors per image in the loss.
RPN.BATCH_SIZE_PER_IMAGE = 256
# Largest share of positive ones among them.
RPN.POSITIVE_FRACTION = 0.5
# Proposals a level before NMS, in training.
RPN.PRE_NMS_TOP_N_TRAIN = 12000
# Proposals a level before NMS, at test.
RPN.PRE_NMS_TOP_N_TEST = 6000
# Proposals a level after NMS, in training.
RPN.POST_NMS_TOP_N_TRAIN = 2000
# Proposals a level after NMS, at test.
RPN.POST_NMS_TOP_N_TEST = 1000
# IoU above which a proposal suppresses a weaker one.
RPN.NMS_THRESH = 0.7
# Shortest side of a proposal in pixels.
RPN.MIN_SIZE = 0
# Proposals over all levels, in training.
RPN.FPN_POST_NMS_TOP_N_TRAIN = 2000
# Proposals over all levels, at test.
RPN.FPN_POST_NMS_TOP_N_TEST = 2000
# In training the last number counts a whole batch, not an image.
RPN.FPN_POST_NMS_PER_BATCH = True

ROI_HEADS = Config()
# Boxes are pooled from the level of the pyramid that fits their size.
ROI_HEADS.USE_FPN = False
# A proposal with at least this IoU to an annotated box has its label. The relation head matches detections by it too.
ROI_HEADS.FG_IOU_THRESHOLD = 0.5
# A proposal below this IoU to every annotated box is background; between the two it is ignored.
ROI_HEADS.BG_IOU_THRESHOLD = 0.3
# Weights of dx, dy, dw, dh in box regression.
ROI_HEADS.BBOX_REG_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
# Proposals per image in the loss.
ROI_HEADS.BATCH_SIZE_PER_IMAGE = 256
# Largest share of foreground among them.
ROI_HEADS.POSITIVE_FRACTION = 0.25
# Detections need a larger score.
ROI_HEADS.SCORE_THRESH = 0.01
# IoU above which a detection suppresses a weaker one of its class.
ROI_HEADS.NMS = 0.3
# A proposal gives one detection at most, of its best class among those that survived NMS.
ROI_HEADS.NMS_FILTER_DUPLICATES = False
# Detections per class and image.
ROI_HEADS.POST_NMS_PER_CLS_TOPN = 300
# Detections per image.
ROI_HEADS.DETECTIONS_PER_IMG = 256

ROI_BOX_HEAD = Config()
# From pooled boxes to features: FPN2MLPFeatureExtractor, ResNet50Conv5ROIFeatureExtractor, ...
ROI_BOX_HEAD.FEATURE_EXTRACTOR = "ResNet50Conv5ROIFeatureExtractor"
# From features to class scores and boxes: FPNPredictor, FastRCNNPredictor.
ROI_BOX_HEAD.PREDICTOR = "FastRCNNPredictor"
# Cells of a pooled box, each way.
ROI_BOX_HEAD.POOLER_RESOLUTION = 14
# Sampling points of a cell, each way; 0 adapts to the box.
ROI_BOX_HEAD.POOLER_SAMPLING_RATIO = 0
# Size of each map that is pooled from, relative to the image.
ROI_BOX_HEAD.POOLER_SCALES = (0.0625,)
# Object classes, background included; must agree with the data set.
ROI_BOX_HEAD.NUM_CLASSES = 81
# Width of the features (fc6 and fc7).
ROI_BOX_HEAD.MLP_HEAD_DIM = 2048
# Group norm in convolutional heads.
ROI_BOX_HEAD.USE_GN = False
# Dilation in convolutional heads.
ROI_BOX_HEAD.DILATION = 1
# Channels of convolutional heads.
ROI_BOX_HEAD.CONV_HEAD_DIM = 256
# Convolutions of convolutional heads.
ROI_BOX_HEAD.NUM_STACKED_CONVS = 4

ROI_ATTRIBUTE_HEAD = Config()
# From pooled boxes to features.
ROI_ATTRIBUTE_HEAD.FEATURE_EXTRACTOR = "FPN2MLPFeatureExtractor"
# From features to attribute scores.
ROI_ATTRIBUTE_HEAD.PREDICTOR = "FPNPredictor"
# Published without effect, kept for old files: the attribute head always has an extractor of its own.
ROI_ATTRIBUTE_HEAD.SHARE_BOX_FEATURE_EXTRACTOR = True
# Binary cross-entropy, an attribute a column; False: cross-entropy with a soft target.
ROI_ATTRIBUTE_HEAD.USE_BINARY_LOSS = True
# Factor of the loss.
ROI_ATTRIBUTE_HEAD.ATTRIBUTE_LOSS_WEIGHT = 0.1
# Attributes, 0 (none) included; must agree with the data set where attributes are on.
ROI_ATTRIBUTE_HEAD.NUM_ATTRIBUTES = 201
# Attributes of a box that are read.
ROI_ATTRIBUTE_HEAD.MAX_ATTRIBUTES = 10
# Boxes without attributes are sampled for the loss; False: all of them count.
ROI_ATTRIBUTE_HEAD.ATTRIBUTE_BGFG_SAMPLE = True
# How many boxes without attributes are sampled for each one with.
ROI_ATTRIBUTE_HEAD.ATTRIBUTE_BGFG_RATIO = 3
# Weight of a present attribute in the binary loss.
ROI_ATTRIBUTE_HEAD.POS_WEIGHT = 5.0


def add_detector_keys(model: Config) -> None:
    """Hangs the sections of this module under MODEL."""
    model.RPN, model.ROI_HEADS, model.ROI_BOX_HEAD, model.ROI_ATTRIBUTE_HEAD = (
        RPN,
        ROI_HEADS,
        ROI_BOX_HEAD,
        ROI_ATTRIBUTE_HEAD,
    )
