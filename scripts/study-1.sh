#!/usr/bin/env bash
# Study 1: simulates a campaign of 200 domains, trains every variant with the same number of samples, and compares them
# on the held-out domains. Finished runs are not repeated; an unfinished run resumes.
#
#   scripts/study-1.sh [512x128 | 256x64]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly size=${1:-512x128}
readonly program=${CARGO_TARGET_DIR:-target}/release/porecast
readonly data=data/study-1-$size.h5 runs=runs/study-1-$size

# Trains and evaluates a variant. Arguments: its name, then its changes.
variant() {
    local name=$1 change settings=(--set "dataset='$data'")
    shift
    for change in "name='$name'" "$@"; do settings+=(--set "$change"); done
    "$program" train configs/invasion/study-1.toml -o "$runs/$name" --resume "${settings[@]}"
    [ -e "$runs/$name/evaluation/scores.json" ] || "$program" evaluate "$runs/$name"
    variants+=("$runs/$name")
}

variants=()
"$program" simulate "configs/simulate/percolation-$size.toml" -o "$data" --set domains=200
variant time-embedded
variant single-frame 'conditioning={single-frame=[5,15,25]}'
variant attention model.unet.attention.enabled=true
variant time-in-encoder 'model.time.enters=["encoder","bottleneck","decoder"]'
variant dice loss.dice=1
"$program" compare "${variants[@]}" -o "$runs/comparison" --force
"$program" report "$runs/comparison" --force
printf '\n%s\n' "$PWD/$runs/comparison/report.html"
