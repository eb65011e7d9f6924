#!/usr/bin/env bash
# Simulates, trains, compares, predicts an unseen image and writes the report. Finished simulations and trainings are not
# repeated; `--force` starts over, which is needed after a change of configuration.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly FRAMES='[5, 10, 15]' # frames with a single-frame network
readonly program=${CARGO_TARGET_DIR:-target}/release/porecast

anew=() mode=(--resume)
if [ "${1:-}" = --force ]; then
    anew=(--force) mode=(--force)
fi

stage() {
    local title=$1 began=$SECONDS
    shift
    printf '\n== %s\n' "$title"
    "$@"
    printf -- '-- %d s\n' $((SECONDS - began))
}

stage "Simulate a campaign of invasions" \
    "$program" simulate configs/simulate/demo.toml -o data/demo.h5 "${anew[@]}"
stage "Train one network for any time" \
    "$program" train configs/invasion/demo.toml -o runs/demo-time "${mode[@]}"
stage "Train one network for each of the frames $FRAMES" \
    "$program" train configs/invasion/demo.toml -o runs/demo-frames "${mode[@]}" \
    --set name=demo-frames --set "conditioning={single-frame=$FRAMES}"
stage "Compare on held-out domains, with the baselines" \
    "$program" compare runs/demo-time runs/demo-frames -o runs/demo-comparison --force
stage "Predict a domain never seen, from an image" \
    "$program" predict --run runs/demo-time configs/demo/domain.png -o runs/demo-prediction --force
stage "Predict it with the model that comes with porecast" \
    "$program" predict configs/demo/domain.png --capillary-number 1e-3 -o runs/demo-drainage --force
stage "Write the report" \
    "$program" report runs/demo-comparison --force

printf '\nDone in %d s.\n' $SECONDS
printf '  report      %s\n' "$PWD/runs/demo-comparison/report.html"
printf '  prediction  %s\n' "$PWD/runs/demo-prediction/report.html"
printf '  drainage    %s\n' "$PWD/runs/demo-drainage/report.html"
