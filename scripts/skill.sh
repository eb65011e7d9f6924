#!/usr/bin/env bash
# Skill: simulates the training domains, trains the networks of configs/invasion/skill with several seeds, scores them on
# the test domains and writes the tables of docs/skill.md to runs/skill/tables.md. Finished parts are not repeated;
# unfinished ones resume.
#
#   scripts/skill.sh two-ca [SEEDS]     405 domains of two capillary numbers: an hour of simulation, half an hour a training
#   scripts/skill.sh physics [SEEDS] [DOMAINS]
#       the first DOMAINS (1500) domains of the campaign over physics and domains of other sizes as well: 617 and those of
#       other sizes are some five hours of simulation on two cores; hours of training. `physics 1 617` makes the model that comes
#       with porecast, runs/skill/recurrent-1.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly study=${1:?two-ca or physics} seeds=${2:-3} domains=${3:-1500}
readonly program=${CARGO_TARGET_DIR:-target}/release/porecast
readonly committed=simulations/datasets runs=runs/skill
# Height, width, number of domains and seed of the training domains of other sizes.
readonly sizes='64 64 40 16
128 64 630 11
192 96 30 12
256 128 7 14
512 64 10 13
512 128 3 15
128 256 40 17
192 192 20 18
64 256 20 19
256 256 6 20'
mkdir -p data/two-ca data/skill data/sizes "$runs"

# Two capillary numbers: the domains in the repository, and those of another seed.
"$program" simulate configs/simulate/lbm-256x64.toml -o data/two-ca/more.h5 --set seed=7707 --set domains=330
cp "$committed/lbm-256x64/lbm-256x64.h5" data/two-ca/

# Trains and scores a variant. Arguments: its name, its configuration, its changes. With `begin` set, it begins with the
# weights of that variant.
variant() {
    local name=$1 config=configs/invasion/skill/$2.toml seed change test settings
    shift 2
    for ((seed = 1; seed <= seeds; seed++)); do
        local run=$runs/$name-$seed
        settings=(--set "name='$name-$seed'" --set seed="$seed")
        [ -z "${begin:-}" ] || settings+=(--init "$runs/$begin-$seed")
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

if [ "$study" = two-ca ]; then
    variant two-ca two-ca
    variant two-ca-untold two-ca 'physics=[]'
    variant two-ca-pore two-ca 'inputs=["pore","depth"]'
    variant two-ca-all-channels two-ca \
        'inputs=["pore","depth","wall-distance","thickness","wall-percolation","pressure","speed"]'
    # Pretraining on percolation, the limit of a vanishing capillary number, in the same geometries.
    sed -e 's/"lattice-boltzmann"/"percolation"/; s/^\[lattice_boltzmann\]/[percolation]/' \
        -e '/^viscosity_ratio/d; /^capillary_numbers/d' configs/simulate/lbm-256x64.toml >data/percolation.toml
    "$program" simulate data/percolation.toml -o data/percolation.h5 --set seed=9009 --set domains=1486
    for ((seed = 1; seed <= seeds; seed++)); do
        "$program" train configs/invasion/skill/two-ca.toml -o "$runs/percolation-$seed" --resume \
            --set "name='percolation-$seed'" --set seed="$seed" --set "dataset='data/percolation.h5'" --set 'physics=[]' \
            --set 'split={validation=0.02,test=0.01}' --set training.epochs=6
    done
    begin=percolation variant two-ca-pretrained two-ca
    # As many steps, and frames seen, as passes of two-ca.
    variant two-ca-recipe recipe "dataset='data/two-ca'" "split.file='$committed/lbm-256x64/held-out.toml'" \
        training.epochs=12 training.samples_per_epoch=1200 optimizer.ema=0.995 schedule.warmup_steps=100
else
    "$program" simulate configs/simulate/physics-256x64.toml -o data/skill/physics.h5 \
        --set domains="$domains"
    cp data/two-ca/*.h5 "$committed/physics-256x64/validation.h5" data/skill/
    while read -r height width count seed; do
        "$program" simulate configs/simulate/physics-256x64.toml -o "data/sizes/${height}x$width.h5" \
            --set height="$height" --set width="$width" --set domains="$count" --set seed="$seed"
    done <<<"$sizes"
    variant sequence sequence
    narrow='conditioning={recurrent={knots=26}}'
    one_resolution=("$narrow" 'also_rescaled_by=[]' rescaled_prediction=false optimizer.ema=0.998)
    begin=sequence variant recurrent-one-resolution recurrent "${one_resolution[@]}" training.epochs=12
    first=("$narrow" optimizer.learning_rate=1.5e-3 training.epochs=24)
    begin=recurrent-one-resolution variant recurrent-first recurrent "${first[@]}"
    begin=recurrent-first variant recurrent-narrower recurrent "$narrow" training.epochs=22
    begin=recurrent-narrower variant recurrent recurrent
    variant recipe recipe
    variant recipe-told recipe 'physics=["capillary-number","viscosity-ratio","contact-angle","porosity"]'
    variant recurrent-one-size recurrent "${one_resolution[@]}" 'also_train_on=[]' training.epochs=16 \
        optimizer.learning_rate=2e-3
    variant recurrent-from-scratch recurrent "${first[@]}"
    begin=recurrent-one-resolution variant recurrent-one-view recurrent "${first[@]}" mirrored_prediction=false
    begin=recurrent-one-resolution variant recurrent-one-scale recurrent "${first[@]}" rescaled_prediction=false
fi
python3 scripts/skill.py "$runs" "$runs/tables.md"
