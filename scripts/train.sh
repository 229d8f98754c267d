#!/usr/bin/env bash
# Trains a relation model on Visual Genome with its published settings.
set -euo pipefail

usage="usage: scripts/train.sh MODEL TASK [KEY VALUE ...]

MODEL  spln-llama spln-clip penet motifs imp transformer vctree causal
TASK   predcls sgcls sgdet
KEY VALUE override any setting, OUTPUT_DIR (./output/MODEL-TASK) included. Started again, a training goes on from its last checkpoint.
Environment: PROCESSES=N trains in N processes (GPUs), CONFIG=FILE takes another file, DRY_RUN=1 prints the command alone.

Example: scripts/train.sh penet predcls SOLVER.IMS_PER_BATCH 4
         PROCESSES=4 scripts/train.sh spln-llama sgdet"

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
parse_arguments "$@"
run_tool relation_train_net
