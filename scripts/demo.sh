#!/usr/bin/env bash
# The main job from end to end on the demo data: detector, PredCls, SGDet, evaluation beside FREQ, report. Every step is a command of its own.
set -euo pipefail

usage="usage: scripts/demo.sh [full | small]

full   2,100 rendered images; at most twenty minutes on two cores
small  650 images and short trainings; a few minutes

Writes to output/demo, afresh; the rendered images stay where they are as long as their maker does not change.

Example: scripts/demo.sh small"

size=${1:-full}
out=output/demo
case $size in
  full)
    data=scenes detector="" predcls=""
    sgdet="SOLVER.MAX_ITER 80 SOLVER.STEPS (60,) SOLVER.WARMUP_ITERS 10 SOLVER.VAL_PERIOD 80 SOLVER.CHECKPOINT_PERIOD 80"
    ;;
  small)
    data=scenes_small
    detector="SOLVER.MAX_ITER 60 SOLVER.STEPS (45,) SOLVER.WARMUP_ITERS 20 SOLVER.VAL_PERIOD 60 SOLVER.CHECKPOINT_PERIOD 60"
    predcls="SOLVER.MAX_ITER 120 SOLVER.STEPS (80,105) SOLVER.WARMUP_ITERS 20 SOLVER.VAL_PERIOD 60 SOLVER.CHECKPOINT_PERIOD 60"
    sgdet="SOLVER.MAX_ITER 20 SOLVER.STEPS (15,) SOLVER.WARMUP_ITERS 5 SOLVER.VAL_PERIOD 20 SOLVER.CHECKPOINT_PERIOD 20"
    ;;
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
sets="DATASETS.TRAIN ('${data}_train',) DATASETS.VAL ('${data}_val',) DATASETS.TEST ('${data}_test',)"

step() { printf '\n== %s\n' "$1"; }

# train TOOL CONFIG NAME OVERRIDES...: a run of its own under $out; words of $sets hold no blanks.
train() {
  # shellcheck disable=SC2086
  python "tools/$1.py" --config-file "configs/demo/$2.yaml" $sets OUTPUT_DIR "$out/$3" MODEL.DEVICE "$device" TEST.SAVE_PREDICTIONS True "${@:4}"
}

device=$(python -c "import torch; print('cuda' if torch.cuda.is_available() else 'cpu')")
rm -rf "$out/detector" "$out/predcls" "$out/sgdet" "$out/metrics.json"

step "Data: $data"
python tools/make_demo_dataset.py --folder "${DATA_DIR:-datasets}/$data" --size "$size"

step "Detector: Faster R-CNN on an ImageNet trunk"
# shellcheck disable=SC2086
train detector_pretrain_net detector detector --skip-test $detector

step "PredCls: boxes and labels given"
# shellcheck disable=SC2086
train relation_train_net predcls predcls $predcls MODEL.FREEZE_DETECTOR True MODEL.PRETRAINED_DETECTOR_CKPT "$out/detector/model_final.pth"

step "SGDet: nothing given, on from the PredCls weights"
# shellcheck disable=SC2086
train relation_train_net sgdet sgdet $sgdet MODEL.FREEZE_DETECTOR True MODEL.WEIGHT "$out/predcls/model_final.pth"

step "Report"
cp "$out/predcls/inference/${data}_test/metrics.json" "$out/metrics.json"
python tools/report.py "$out/predcls"
python tools/report.py "$out/sgdet"
printf '\nResults: %s\nReports: %s\n' "$out/metrics.json" "$out/predcls/report.html, $out/sgdet/report.html"
