#!/usr/bin/env bash
# Evaluates what scripts/train.sh trained.
set -euo pipefail

usage="usage: scripts/test.sh MODEL TASK [KEY VALUE ...]

MODEL  spln-llama spln-clip penet motifs imp transformer vctree causal
TASK   predcls sgcls sgdet
Takes the last checkpoint in OUTPUT_DIR (./output/MODEL-TASK), or the file given as MODEL.WEIGHT.
Environment: PROCESSES=N evaluates in N processes (GPUs), CONFIG=FILE takes another file, DRY_RUN=1 prints the command alone.

Example: scripts/test.sh penet predcls TEST.IMS_PER_BATCH 8
         scripts/test.sh spln-clip sgcls MODEL.WEIGHT checkpoints/spln_clip_sgcls.pth"

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
parse_arguments "$@"
run_tool relation_test_net
