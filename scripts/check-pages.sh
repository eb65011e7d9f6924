#!/usr/bin/env bash
# Makes small runs, predictions and datasets, writes their pages, and uses each in headless Chromium.
#
#   scripts/check-pages.sh [FOLDER]    keeps everything in FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh browser
program=$(realpath "${CARGO_TARGET_DIR:-target}/release/porecast")
configs=$PWD/configs
check=$PWD/scripts/check-pages.py
domain=$configs/demo/domain.png
python=$(scripts/venv.sh scripts/requirements-pages.txt)
if [ $# -gt 0 ]; then
    mkdir -p "$1"
    folder=$(realpath "$1")
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
cd "$folder"

porecast() { "$program" --quiet "$@"; }

porecast simulate "$configs/smoke/simulate.toml" -o data/smoke.h5
porecast train "$configs/smoke/train.toml" -o runs/time
porecast train "$configs/smoke/train.toml" -o runs/frames \
    --set name=frames --set 'conditioning={single-frame=[1,3]}'
porecast compare runs/time runs/frames -o runs/comparison
porecast report runs/time
porecast report runs/comparison
porecast report data/smoke.h5
porecast predict "$domain" --capillary-number 1e-3 -o prediction

ice=(--set "dataset='data/ice.h5'" --set 'source.format.tiff-triples.shape=[64,64]')
porecast synth sea-ice -o ice --seed 1 --set training=16 --set test=1
porecast prepare "$configs/segmentation/sea_ice.toml" --source ice -o data/ice.h5 "${ice[@]}"
porecast train "$configs/segmentation/sea_ice.toml" -o runs/ice "${ice[@]}" \
    --set model.unet.base_channels=4 --set training.epochs=1
porecast evaluate runs/ice
porecast report runs/ice
porecast report data/ice.h5
porecast predict --run runs/ice ice -o prediction-of-images

"$python" "$check" "$folder" runs/time/report.html runs/comparison/report.html data/smoke.html \
    prediction/report.html runs/ice/report.html data/ice.html prediction-of-images/report.html
