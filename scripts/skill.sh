#!/usr/bin/env bash
# Skill: simulates the training domains (hours), trains the networks of configs/invasion/skill with several seeds, scores
# them on the test domains and writes docs/skill.md. Finished parts are not repeated; unfinished ones resume.
#
#   scripts/skill.sh [seeds, 3]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly seeds=${1:-3}
readonly program=${CARGO_TARGET_DIR:-target}/release/porecast
readonly committed=simulations/datasets data=data/skill runs=runs/skill
mkdir -p "$data" "$runs"

# Training domains: the campaign over physics, and two of the two-Ca campaign (the committed one and one of another seed).
# Validation domains and the split lie in the repository.
"$program" simulate configs/simulate/physics-256x64.toml -o "$data/physics.h5"
"$program" simulate configs/simulate/lbm-256x64.toml -o "$data/two-ca.h5" --set seed=7707 --set domains=330 ||
    [ -e "$data/two-ca.h5" ] # some domains of that campaign cannot be simulated
cp "$committed/lbm-256x64/lbm-256x64.h5" "$committed/physics-256x64/validation.h5" "$data/"

# Trains and scores a variant. Arguments: its name, its configuration, its changes.
variant() {
    local name=$1 config=configs/invasion/skill/$2.toml seed change test settings
    shift 2
    for ((seed = 1; seed <= seeds; seed++)); do
        local run=$runs/$name-$seed
        settings=(--set "name='$name-$seed'" --set seed="$seed")
        for change in "$@"; do settings+=(--set "$change"); done
        "$program" train "$config" -o "$run" --resume "${settings[@]}"
        [ -e "$run/evaluation/scores.json" ] || "$program" evaluate "$run"
        for test in "$committed"/physics-256x64/*.h5; do
            local scores=$run/evaluation-$(basename "$test" .h5)
            [ "$(basename "$test")" = validation.h5 ] || [ -e "$scores/scores.json" ] ||
                "$program" evaluate "$run" --dataset "$test" -o "$scores"
        done
    done
}

variant sequence sequence
variant recipe recipe
variant recipe-told recipe 'physics=["capillary-number","viscosity-ratio","contact-angle","porosity"]'
variant sequence-untold sequence 'physics=[]'
variant sequence-pore sequence 'inputs=["pore","depth"]'
variant sequence-one-view sequence mirrored_prediction=false
variant sequence-no-attention sequence model.unet.attention.enabled=false
variant sequence-wide sequence model.unet.base_channels=24
python3 scripts/skill.py "$runs" docs/skill.md
