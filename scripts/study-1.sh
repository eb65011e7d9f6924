#!/usr/bin/env bash
# Study 1 at full size: simulates the campaign, trains every variant, compares them on the held-out domains.
# What is finished is not done again; a run under way goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly program=${CARGO_TARGET_DIR:-target}/release/porecast
readonly data=data/study-1.h5 runs=runs/study-1

# Trains and evaluates a variant: its name, then the lines that it changes.
variant() {
    local name=$1 change settings=()
    shift
    for change in "$@"; do settings+=(--set "$change"); done
    "$program" train configs/invasion/study-1.toml -o "$runs/$name" --resume --set "name=$name" "${settings[@]}"
    [ -e "$runs/$name/evaluation/scores.json" ] || "$program" evaluate "$runs/$name"
    variants+=("$runs/$name")
}

variants=()
"$program" simulate configs/simulate/percolation-512x128.toml -o "$data" --set domains=200
variant time-embedded
variant single-frame 'conditioning={single-frame=[5,15,25]}'
variant attention model.unet.attention.enabled=true
variant time-in-encoder 'model.time.enters=["encoder","bottleneck","decoder"]'
variant dice loss.dice=1
"$program" compare "${variants[@]}" -o "$runs/comparison" --force
"$program" report "$runs/comparison" --force
printf '\n%s\n' "$PWD/$runs/comparison/report.html"
