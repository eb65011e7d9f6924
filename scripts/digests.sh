#!/usr/bin/env bash
# Digests of what a small fixed pipeline writes: datasets, weights, predictions, scores, figures and pages.
#
#   scripts/digests.sh [PROGRAM] > digests.txt    one line per file
#
# Programs that print the same lists give the same results on this processor, byte for byte. Not compared: wall times,
# checkpoints, and decimal numbers in HTML pages and runs.csv (scores.json has the scores). Some files hold the program's
# version.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/porecast}")
configs=$PWD/configs
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

porecast() {
    "$program" --quiet "$@"
}

# Invasion: percolation and lattice Boltzmann campaigns, time-embedded and single-frame networks, every head and loss.
porecast simulate "$configs/smoke/simulate.toml" -o data/smoke.h5
porecast simulate "$configs/simulate/lbm-256x64.toml" -o data/lattice-boltzmann.h5 \
    --set domains=2 --set height=80 --set width=40
invasion() {
    local name=$1
    shift
    porecast train "$configs/smoke/train.toml" -o "runs/$name" --set name="$name" "$@"
}
invasion time --set loss.dice=0.5 --set loss.volume_soft=0.1
invasion frames --set 'conditioning={single-frame=[1,3]}' --set loss.class_weights=balanced
invasion regression --set head=regression --set loss.cross_entropy=0 --set loss.mse=1 --set loss.iou=0.3
invasion vit --set model.architecture=vit --set model.vit.width=16 --set model.vit.depth=1 --set model.vit.patch=8
invasion attention --set model.unet.attention.enabled=true --set optimizer.ema=0.9 --set training.accumulation=2 \
    --set training.gradient_checkpointing=true
porecast predict --run runs/time "$configs/demo/domain.png" -o predicted/image --tile 64
porecast predict --run runs/frames data/smoke.h5 --part test -o predicted/dataset
porecast evaluate runs/time
porecast evaluate runs/vit
porecast compare runs/time runs/frames runs/regression -o runs/comparison
porecast report runs/comparison
porecast report runs/time

# Segmentation: masks of two classes and of five, folds, augmentation, every loss.
small=(--set model.unet.base_channels=4 --set model.unet.levels=2 --set training.epochs=1)
porecast synth mars -o data/mars --seed 3 --set training=24 --set test=2 --set outliers=1
porecast prepare "$configs/segmentation/mars.toml"
mars() {
    local name=$1
    shift
    porecast train "$configs/segmentation/mars.toml" -o "runs/$name" --set name="$name" "${small[@]}" "$@"
}
mars mars
mars mars-dice --set loss.iou=0 --set loss.dice=1 --set loss.focal=0.5 --set loss.l1=1e-7
mars mars-dynamic --set loss.iou=0 --set loss.cross_entropy=1 --set loss.class_weights=dynamic
porecast synth right-ventricle -o data/right-ventricle --seed 3 --set patients=4 --set slices=2 --set phases=1
porecast prepare "$configs/segmentation/right_ventricle.toml" --source data/right-ventricle -o data/right_ventricle.h5 \
    --set 'source.resize=[64,64]'
for loss in dice inverse_dice cross_entropy focal switching; do
    porecast train "$configs/segmentation/right_ventricle.toml" -o "runs/ventricle-$loss" --set name="ventricle-$loss" \
        --set dataset=data/right_ventricle.h5 --set 'source.resize=[64,64]' "${small[@]}" \
        --set loss.dice=0 --set loss.switching=0 --set "loss.$loss=1"
done
porecast evaluate runs/mars
porecast evaluate runs/ventricle-dice
porecast compare runs/mars runs/mars-dice -o runs/mars-comparison
porecast report runs/mars-comparison
porecast predict --run runs/mars data/mars/mars_for_students.npz -o predicted/masks

# Wall times differ from run to run.
find . -type f | LC_ALL=C sort | while read -r file; do
    case $file in
    */checkpoint) continue ;;
    */metrics.csv) digest=$(cut -d, -f1-7 "$file" | sha256sum) ;;
    */runs.csv | */report.html) digest=$(sed -E 's/[0-9]+(\.[0-9]+)? (s|min)\b//g; s/[0-9]+\.[0-9]+//g' "$file" | sha256sum) ;;
    *.json | *.md) digest=$(sed -E '/wall_seconds/d; s/[0-9.]+ (s|min)\b//g' "$file" | sha256sum) ;;
    *) digest=$(sha256sum <"$file") ;;
    esac
    printf '%s  %s\n' "${digest%% *}" "$file"
done
