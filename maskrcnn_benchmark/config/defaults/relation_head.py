"""Keys of the relation head, MODEL.ROI_RELATION_HEAD: what all predictors share, then a block a predictor."""

from maskrcnn_benchmark.config.node import Config

ROI_RELATION_HEAD = HEAD = Config()
# ---- Task: both True is PredCls, only the first SGCls, neither SGDet -------------------------------------------------
# Annotated boxes are given.
HEAD.USE_GT_BOX = True
# Annotated object labels are given.
HEAD.USE_GT_OBJECT_LABEL = False

# ---- Sampling of pairs in training -----------------------------------------------------------------------------------
# Pairs per image.
HEAD.BATCH_SIZE_PER_IMAGE = 64
# Largest share of annotated pairs among them.
HEAD.POSITIVE_FRACTION = 0.25
# SGDet: most pairs of detections drawn for one annotated relation.
HEAD.NUM_SAMPLE_PER_GT_REL = 4
# SGDet: only pairs of overlapping boxes are sampled, and relations of boxes apart are left out.
HEAD.REQUIRE_BOX_OVERLAP = True
# The annotated boxes join the proposals of training.
HEAD.ADD_GTBOX_TO_PROPOSAL_IN_TRAIN = False

# ---- Features --------------------------------------------------------------------------------------------------------
# From the boxes of a pair to union features.
HEAD.FEATURE_EXTRACTOR = "RelationFeatureExtractor"
# Union boxes are pooled from all levels of the pyramid, side by side, and reduced; False: from the level of their size.
HEAD.POOLING_ALL_LEVELS = True
# Width of union features where a predictor projects them; PE-Net needs MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM.
HEAD.CONTEXT_POOLING_DIM = 4096
# The head's feature extractors stay as loaded; they must come from a relation model.
HEAD.FREEZE_FEATURE_EXTRACTORS = False

# ---- Classes and losses ----------------------------------------------------------------------------------------------
# Predicates, background included; must agree with the data set.
HEAD.NUM_CLASSES = 51
# Which predictor: PrototypeEmbeddingNetwork, MotifPredictor, IMPPredictor, TransformerPredictor, VCTreePredictor,
# CausalAnalysisPredictor.
HEAD.PREDICTOR = "MotifPredictor"
# Targets of both cross-entropies smoothed by 0.01.
HEAD.LABEL_SMOOTHING_LOSS = False
# Published without effect: share of each of VG150's predicates among training relations. Accepted; MODEL.USE_REWEIGHT
# counts for itself.
HEAD.REL_PROP = (
    0.01858, 0.00057, 0.00051, 0.00109, 0.0015, 0.00489, 0.00432, 0.02913, 0.00245, 0.00121,
    0.00404, 0.0011, 0.00132, 0.00172, 5.0e-05, 0.00242, 0.0005, 0.00048, 0.00208, 0.15608,
    0.0265, 0.06091, 0.009, 0.00183, 0.00225, 0.0009, 0.00028, 0.00077, 0.04844, 0.08645,
    0.31621, 0.00088, 0.00301, 0.00042, 0.00186, 0.001, 0.00027, 0.01012, 0.0001, 0.01286,
    0.00647, 0.00084, 0.01077, 0.00132, 0.00069, 0.00376, 0.00214, 0.11424, 0.01205, 0.02958,
)  # fmt: skip

# ---- Shared by several predictors ------------------------------------------------------------------------------------
# Width of word vectors of object classes in the baselines.
HEAD.EMBED_DIM = 200
# Width of the context; in PE-Net that of the label refinement.
HEAD.CONTEXT_HIDDEN_DIM = 512
# Dropout of the context encoders.
HEAD.CONTEXT_DROPOUT_RATE = 0.2
# Layers of the object context (Motif, VCTree, Causal).
HEAD.CONTEXT_OBJ_LAYER = 1
# Layers of the relation context (Motif, VCTree, Causal).
HEAD.CONTEXT_REL_LAYER = 1
# Motif, Transformer: union features take part.
HEAD.PREDICT_USE_VISION = True
# Motif, Transformer: the frequency bias takes part.
HEAD.PREDICT_USE_BIAS = True

# ---- PrototypeEmbeddingNetwork: PE-Net, and SPLN where prototype files are named -------------------------------------
# Width of its word vectors.
HEAD.PENET_EMBED_DIM = 300
# Width of entity and pair representations; prototypes have twice that, which in SPLN must be the width of union
# features.
HEAD.PENET_MLP_DIM = 2048
# Dropout inside.
HEAD.PENET_DROPOUT = 0.2

# ---- PrototypeEmbeddingNetwork: SPLN's visual term -------------------------------------------------------------------
# File of visual prototypes, a row per predicate. '' leaves the term out.
HEAD.VIS_PRO_PATH = ""
# Width of the visual prototypes.
HEAD.VIS_PRO_DIM = 4096
# Width of the union features that the VAE restores: MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM.
HEAD.VIS_VAE_INPUT_DIM = 4096
# Width of that VAE's latent variable.
HEAD.VIS_VAE_LATENT_DIM = 1024
# Instead of training, write the mean union feature of each predicate to VIS_PRO_PATH.
HEAD.STORE_UNION = False

# ---- PrototypeEmbeddingNetwork: SPLN's conceptual term ---------------------------------------------------------------
# Which file of conceptual prototypes is read: LLAMA, CLIP, or NONE to leave the term out.
HEAD.CON_PRO_TYPE = "NONE"
# File read under LLAMA.
HEAD.CON_PRO_LLAMA_PATH = ""
# File read under CLIP.
HEAD.CON_PRO_CLIP_PATH = ""
# Width of the conceptual prototypes: 4096 for LLAMA, 2304 for CLIP as published.
HEAD.CON_PRO_DIM = 4096
# Width of the prototypes that the VAE restores: CON_PRO_DIM.
HEAD.CON_VAE_INPUT_DIM = 4096
# Width of that VAE's latent variable.
HEAD.CON_VAE_LATENT_DIM = 1024

# ---- PrototypeEmbeddingNetwork: SPLN's VAEs and gates ----------------------------------------------------------------
# Factor of vis_vae_loss and con_vae_loss; 1 as released.
HEAD.VAE_WEIGHT = 1.0
# The VAEs draw noise in evaluation, too, so that figures change from run to run: as released, to compare.
HEAD.VAE_NOISE_AT_TEST = False
# The gates of the fusion are trained; False leaves them at their random start, as released code does on a GPU, to
# compare.
HEAD.TRAIN_GATES = True

# ---- TransformerPredictor --------------------------------------------------------------------------------------------
HEAD.TRANSFORMER = Config()
# Dropout of attention and feed-forward layers.
HEAD.TRANSFORMER.DROPOUT_RATE = 0.1
# Layers of the object context.
HEAD.TRANSFORMER.OBJ_LAYER = 4
# Layers of the relation context.
HEAD.TRANSFORMER.REL_LAYER = 2
# Attention heads.
HEAD.TRANSFORMER.NUM_HEAD = 8
# Width of the feed-forward layers.
HEAD.TRANSFORMER.INNER_DIM = 2048
# Width of a head's keys and queries.
HEAD.TRANSFORMER.KEY_DIM = 64
# Width of a head's values.
HEAD.TRANSFORMER.VAL_DIM = 64

# ---- CausalAnalysisPredictor -----------------------------------------------------------------------------------------
HEAD.CAUSAL = Config()
# Context encoder: motifs, vctree or vtranse.
HEAD.CAUSAL.CONTEXT_LAYER = "motifs"
# How context, vision and frequency meet: sum or gate.
HEAD.CAUSAL.FUSION_TYPE = "sum"
# Keep running averages in training and run the second, untreated pass at test.
HEAD.CAUSAL.EFFECT_ANALYSIS = False
# Effect that is predicted at test: none, TDE, NIE or TE.
HEAD.CAUSAL.EFFECT_TYPE = "none"
# Geometry of the two boxes scales the pair's context.
HEAD.CAUSAL.SPATIAL_FOR_VISION = False
# The union extractor gives visual and mask features apart; the latter scale the pair's context.
HEAD.CAUSAL.SEPARATE_SPATIAL = False
