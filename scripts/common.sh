# Shared by train.sh and test.sh, not run by itself: the words of each published training.
# After `parse_arguments "$@"` the array `words` holds the KEY VALUE words, `rest` what the user added.

MODELS="spln-llama spln-clip penet motifs imp transformer vctree causal"
TASKS="predcls sgcls sgdet"

stop() {
  echo "error: $1" >&2
  exit 2
}

parse_arguments() {
  case "${1:-}" in -h | --help | "")
    echo "$usage"
    exit 0
    ;;
  esac
  model=$1
  task=${2:-}
  [[ " $MODELS " == *" $model "* ]] || stop "unknown model '$model'; there are: $MODELS"
  [[ " $TASKS " == *" $task "* ]] || stop "unknown task '$task'; there are: $TASKS"
  rest=("${@:3}")
  words=()
  task_words
  model_words
  words+=(OUTPUT_DIR "./output/$model-$task")
}

# PredCls: boxes and labels are given; SGCls: boxes are given; SGDet: nothing is.
task_words() {
  local boxes=True labels=False
  [[ $task == predcls ]] && labels=True
  [[ $task == sgdet ]] && boxes=False
  words+=(MODEL.ROI_RELATION_HEAD.USE_GT_BOX $boxes MODEL.ROI_RELATION_HEAD.USE_GT_OBJECT_LABEL $labels)
}

model_words() {
  words+=(GLOVE_DIR ./datasets/vg/ MODEL.PRETRAINED_DETECTOR_CKPT ./checkpoints/pretrained_faster_rcnn/model_final.pth SOLVER.PRE_VAL False)
  case $model in
    spln-llama) penet_words 5e-4 && spln_words LLAMA 4096 1024 ;;
    spln-clip) penet_words 5e-4 && spln_words CLIP 2304 576 ;;
    penet) penet_words 1e-3 ;;
    motifs) baseline_words MotifPredictor ;;
    imp) baseline_words IMPPredictor ;;
    vctree) baseline_words VCTreePredictor ;;
    causal) baseline_words CausalAnalysisPredictor ;;
    transformer)
      words+=(MODEL.ROI_RELATION_HEAD.PREDICTOR TransformerPredictor DTYPE float32)
      words+=(SOLVER.IMS_PER_BATCH 16 TEST.IMS_PER_BATCH 2 SOLVER.BASE_LR 0.001 SOLVER.MAX_ITER 40000)
      words+=(SOLVER.SCHEDULE.TYPE WarmupMultiStepLR SOLVER.STEPS "(10000, 16000)" SOLVER.VAL_PERIOD 2000 SOLVER.CHECKPOINT_PERIOD 2000)
      ;;
  esac
}

# PE-Net's training; $1 is the learning rate of one image.
penet_words() {
  words+=(MODEL.ROI_RELATION_HEAD.PREDICT_USE_BIAS True MODEL.ROI_RELATION_HEAD.PREDICTOR PrototypeEmbeddingNetwork DTYPE float32)
  words+=(SOLVER.IMS_PER_BATCH 8 TEST.IMS_PER_BATCH 1 SOLVER.MAX_ITER 60000 SOLVER.BASE_LR "$1")
  words+=(SOLVER.SCHEDULE.TYPE WarmupMultiStepLR MODEL.ROI_RELATION_HEAD.BATCH_SIZE_PER_IMAGE 512 SOLVER.STEPS "(28000, 48000)")
  words+=(SOLVER.VAL_PERIOD 5000 SOLVER.CHECKPOINT_PERIOD 5000 SOLVER.GRAD_NORM_CLIP 5.0)
}

# What SPLN adds: $1 source of the conceptual prototypes, $2 their width, $3 that of their VAE's latent variable.
spln_words() {
  local head=MODEL.ROI_RELATION_HEAD files=./output/relation_baseline
  words+=($head.VIS_PRO_DIM 4096 $head.STORE_UNION False $head.VIS_VAE_LATENT_DIM 1024 $head.VIS_VAE_INPUT_DIM 4096)
  words+=($head.VIS_PRO_PATH $files/vg_vis_protos.pt)
  words+=($head.CON_PRO_DIM "$2" $head.CON_VAE_LATENT_DIM "$3" $head.CON_VAE_INPUT_DIM "$2" $head.CON_PRO_TYPE "$1")
  words+=($head.CON_PRO_CLIP_PATH $files/vg_clip_refine_con_protos.pt $head.CON_PRO_LLAMA_PATH $files/vg_llama_con_protos.pt)
  words+=(MODEL.USE_REWEIGHT PENET)
}

# The baselines as Scene-Graph-Benchmark trains them; $1 is the predictor.
baseline_words() {
  words+=(MODEL.ROI_RELATION_HEAD.PREDICTOR "$1" DTYPE float32 SOLVER.IMS_PER_BATCH 12 TEST.IMS_PER_BATCH 2 SOLVER.MAX_ITER 50000)
  words+=(SOLVER.VAL_PERIOD 2000 SOLVER.CHECKPOINT_PERIOD 2000)
}

# run_tool TOOL: with the words, in PROCESSES processes; DRY_RUN=1 prints the command instead.
run_tool() {
  cd "$(dirname "${BASH_SOURCE[0]}")/.."
  local python=${PYTHON:-} config=${CONFIG:-configs/e2e_relation_X_101_32_8_FPN_1x.yaml} launch=()
  if [[ -z $python ]]; then
    python=python3
    [[ -x .venv/bin/python ]] && python=.venv/bin/python
  fi
  [[ ${PROCESSES:-1} -gt 1 ]] && launch=(-m torch.distributed.run --nproc_per_node "$PROCESSES")
  local command=("$python" "${launch[@]}" "tools/$1.py" --config-file "$config" "${words[@]}" "${rest[@]}")
  if [[ -n ${DRY_RUN:-} ]]; then
    printf '%q ' "${command[@]}"
    echo
    return
  fi
  exec "${command[@]}"
}
