#!/usr/bin/env bash
# The main job from end to end on the demo data: detector, PE-Net, prototypes, SPLN in PredCls and SGDet, each beside FREQ, reports.
# Every step is a command of its own.
set -euo pipefail

usage="usage: scripts/demo.sh [full | small]

full   2,100 rendered images; at most twenty minutes on two cores
small  650 images and short trainings; a few minutes

Writes to output/demo, afresh; the rendered images stay where they are as long as their maker does not change.

Example: scripts/demo.sh small"

# Iterations of each training; small tests SGDet on the dozen surest detections, a quarter of the pairs.
size=${1:-full}
case $size in
  full) data=scenes detector=300 penet=400 spln=600 sgdet=60 fewer="" ;;
  small) data=scenes_small detector=50 penet=70 spln=220 sgdet=12 fewer="MODEL.ROI_HEADS.DETECTIONS_PER_IMG 12" ;;
  -h | --help)
    echo "$usage"
    exit 0
    ;;
  *)
    echo "error: unknown size '$size'; there are: full, small" >&2
    exit 2
    ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=output/demo
device=$(python -c "import torch; print('cuda' if torch.cuda.is_available() else 'cpu')")
common="DATASETS.TRAIN ('${data}_train',) DATASETS.VAL ('${data}_val',) DATASETS.TEST ('${data}_test',) MODEL.DEVICE $device"
visual="$out/visual_prototypes.pt" conceptual="$out/conceptual_prototypes.pt"

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

# run TOOL CONFIG WORDS...: a tool with a file of configs/demo and the data set; words of $common hold no blanks.
run() {
  # shellcheck disable=SC2086
  python "tools/$1.py" --config-file "configs/demo/$2.yaml" $common "${@:3}"
}

# train TOOL CONFIG ITERATIONS WORDS...: the rate falls to a tenth at two thirds, to a hundredth at nine tenths; no validation on the way.
train() {
  local n=$3
  run "$1" "$2" SOLVER.MAX_ITER "$n" SOLVER.STEPS "($((n * 2 / 3)),$((n * 9 / 10)))" SOLVER.WARMUP_ITERS $((n / 5)) \
    SOLVER.TO_VAL False SOLVER.CHECKPOINT_PERIOD "$n" TEST.SAVE_PREDICTIONS True "${@:4}"
}

rm -rf "$out"/{detector,predcls,spln,spln_sgdet,features,metrics.json} "$visual" "$conceptual"

step "Data: $data"
python tools/make_demo_dataset.py --folder "${DATA_DIR:-datasets}/$data" --size "$size"

step "Detector: Faster R-CNN on an ImageNet backbone"
train detector_pretrain_net detector "$detector" --skip-test

step "PE-Net, PredCls: boxes and labels given"
train relation_train_net predcls "$penet" --skip-test MODEL.FREEZE_DETECTOR True MODEL.PRETRAINED_DETECTOR_CKPT "$out/detector/model_final.pth"

step "Visual prototypes: PE-Net's mean union feature of each predicate's training pairs"
run extract_visual_prototypes spln --output "$visual"

step "Conceptual prototypes: a sentence encoder on three descriptions of each predicate"
run extract_conceptual_prototypes spln --type SENTENCE --model packaged

step "SPLN, PredCls: on from PE-Net's weights, with both kinds of prototypes"
train relation_train_net spln "$spln" MODEL.REWEIGHT_CURRICULUM $((spln / 2))

step "SPLN, SGDet: nothing given"
# shellcheck disable=SC2086
train relation_train_net spln_sgdet "$sgdet" $fewer

step "Reports"
cp "$out/spln/inference/${data}_test/metrics.json" "$out/metrics.json"
python tools/report.py "$out/spln"
python tools/report.py "$out/spln_sgdet"
printf '\nDone in %d s. Results: %s\nReports: %s\n' "$SECONDS" "$out/metrics.json" "$out/spln/report.html, $out/spln_sgdet/report.html"
