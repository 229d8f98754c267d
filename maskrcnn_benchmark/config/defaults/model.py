"""Keys of the model as a whole and of its backbone."""

from maskrcnn_benchmark.config.node import Config

MODEL = Config()
# Device to work on: cuda, cuda:1, cpu. Without a GPU the tools go on on the CPU, with a warning.
MODEL.DEVICE = "cuda"
# The whole model; there is one.
MODEL.META_ARCHITECTURE = "GeneralizedRCNN"
# Only the backbone and the region proposals, no heads.
MODEL.RPN_ONLY = False
# Build the relation head; False is a plain detector.
MODEL.RELATION_ON = False
# Build the attribute head, and give the relation head attribute features.
MODEL.ATTRIBUTE_ON = False
# Box regression shared by all classes (two rows of numbers, background and object) instead of one for each.
MODEL.CLS_AGNOSTIC_BBOX_REG = False
# Published without effect: mirrored relation training. Accepted with a warning; INPUT.HORIZONTAL_FLIP_PROB_TRAIN
# mirrors.
MODEL.FLIP_AUG = False
# Weights to start from: a file, or a catalog:// name of config/paths_catalog.py. '' means none.
MODEL.WEIGHT = ""
# Detector that relation training starts from; loaded before WEIGHT.
MODEL.PRETRAINED_DETECTOR_CKPT = ""
# Names of entries in a weight file whose shape may differ: they are left out, with a note.
MODEL.IGNORE_WEIGHTS = ()
# Relation training leaves backbone, RPN and box head as they are. False trains backbone and FPN along, above
# BACKBONE.FREEZE_CONV_BODY_AT.
MODEL.FREEZE_DETECTOR = True
# Class weights of loss_rel by the effective number of examples of each predicate: NONE; CLASS_BALANCED; PENET, in which
# the most frequent predicates lose theirs in the course of the training.
MODEL.USE_REWEIGHT = "NONE"
# beta of a predicate's weight (1 - beta) / (1 - beta^n), n its examples.
MODEL.REWEIGHT_BETA = 0.99999
# PENET: share of the predicates, the most frequent ones, whose weights fall; 16 of VG150's 50.
MODEL.REWEIGHT_HEAD_SHARE = 0.32
# PENET: iterations in which these weights would fall to 0 along a line.
MODEL.REWEIGHT_CURRICULUM = 30000
# PENET: the factor that they stop falling at.
MODEL.REWEIGHT_FLOOR = 0.2
# Compile backbone and relation predictor by torch.compile.
MODEL.COMPILE = False

# ---- Backbone --------------------------------------------------------------------------------------------------------
MODEL.BACKBONE = Config()
# R-50-FPN, R-101-FPN, R-50-C4, VGG-16, ... as registered in modeling/backbone; timm/<name>-FPN is any backbone of timm.
MODEL.BACKBONE.CONV_BODY = "R-50-C4"
# Stages that stay fixed, the stem being the first; 2 freezes stem and layer1, 0 nothing.
MODEL.BACKBONE.FREEZE_CONV_BODY_AT = 2

MODEL.FPN = Config()
# Group norm after each convolution of the pyramid.
MODEL.FPN.USE_GN = False
# ReLU after each convolution of the pyramid.
MODEL.FPN.USE_RELU = False

MODEL.GROUP_NORM = Config()
# Channels a group; -1 lets NUM_GROUPS decide.
MODEL.GROUP_NORM.DIM_PER_GP = -1
# Groups; -1 lets DIM_PER_GP decide.
MODEL.GROUP_NORM.NUM_GROUPS = 32
# Added to the variance.
MODEL.GROUP_NORM.EPSILON = 1e-5

MODEL.RESNETS = Config()
# Groups of the 3x3 convolutions: 1 is ResNet, 32 with WIDTH_PER_GROUP 8 is ResNeXt 32x8d.
MODEL.RESNETS.NUM_GROUPS = 1
# Channels a group in the first stage.
MODEL.RESNETS.WIDTH_PER_GROUP = 64
# A stage's stride sits on its first 1x1 (original and Detectron's ), else on the 3x3 (torchvision, ResNeXt).
MODEL.RESNETS.STRIDE_IN_1X1 = True
# Kind of residual block: BottleneckWithFixedBatchNorm or BottleneckWithGN.
MODEL.RESNETS.TRANS_FUNC = "BottleneckWithFixedBatchNorm"
# Kind of stem: StemWithFixedBatchNorm or StemWithGN.
MODEL.RESNETS.STEM_FUNC = "StemWithFixedBatchNorm"
# Dilation of the last stage.
MODEL.RESNETS.RES5_DILATION = 1
# Channels of every level of the pyramid, or of the backbone's only map.
MODEL.RESNETS.BACKBONE_OUT_CHANNELS = 1024
# Channels of the first stage's output; they double with each stage.
MODEL.RESNETS.RES2_OUT_CHANNELS = 256
# Channels of the stem.
MODEL.RESNETS.STEM_OUT_CHANNELS = 64
# Deformable convolutions a stage.
MODEL.RESNETS.STAGE_WITH_DCN = (False, False, False, False)
# Deformable convolutions with modulation.
MODEL.RESNETS.WITH_MODULATED_DCN = False
# Groups of the deformable convolutions.
MODEL.RESNETS.DEFORMABLE_GROUPS = 1

MODEL.VGG = Config()
# Channels of VGG-16's map.
MODEL.VGG.VGG16_OUT_CHANNELS = 512
