#!/usr/bin/env bash
# The ablations of the segmentation studies, on small data, and the tables of docs/segmentation. Finished runs are not
# repeated; an unfinished run resumes.
#
#   scripts/segmentation.sh mars | stas | sea-ice              synthetic data
#   scripts/segmentation.sh right-ventricle FOLDER             DICOM and contours, such as the Sunnybrook excerpt
#   scripts/segmentation.sh right-ventricle-grid FOLDER        optimisers, schedules, rates, shares of the training data
set -euo pipefail
cd "$(dirname "$0")/.."

readonly study=$1 source=${2:-data/$1}
readonly program=${CARGO_TARGET_DIR:-target}/release/porecast
readonly data=data/$study.h5 runs=runs/$study

# Writes synthetic files and prepares them. Arguments: settings of the synthesis, then `--`, then settings of the
# configuration.
synthetic() {
    local synth=()
    while [ "$1" != -- ]; do synth+=(--set "$1"); shift; done
    shift
    [ -e "$source" ] || "$program" synth "$study" -o "$source" --seed 1 "${synth[@]}"
    common=("dataset='$data'" "$@")
    prepared
}

prepared() {
    [ -e "$data" ] || "$program" prepare "$config" -o "$data" $(settings "${common[@]}")
}

# Puts `--set` before each argument; none may contain a blank.
settings() {
    local change
    for change in "$@"; do printf -- '--set %s ' "$change"; done
}

# Trains and evaluates a variant with each seed. Arguments: its name, then its changes.
variant() {
    local name=$1 seed run
    shift
    for seed in ${seeds:-1 2}; do
        run=$runs/$name-seed-$seed
        "$program" train "$config" -o "$run" --resume \
            $(settings "${common[@]}" "name='$name-seed-$seed'" "seed=$seed" "$@")
        [ -e "$run/evaluation/scores.json" ] || "$program" evaluate "$run" --quiet
    done
    variants+=("$name")
}

# Mean scores of each variant over the seeds, on the test images or, without any, on the validation images.
table() {
    python3 - "$runs" "${variants[@]}" <<'PYTHON'
import csv, json, pathlib, statistics, sys

runs, variants = pathlib.Path(sys.argv[1]), sys.argv[2:]
measures = [("dice", "set"), ("iou", "set"), ("pixel_accuracy", "set"), ("dice", "images"), ("hausdorff_mm", "images")]
print("| variant | source | part | " + " | ".join(f"{name}, {over}" for name, over in measures) + " | validation loss | seconds |")
print("|" + "---|" * (len(measures) + 5))
for variant in variants:
    values, losses, seconds = {}, [], []
    for run in sorted(runs.glob(f"{variant}-seed-*")):
        rows = list(csv.DictReader(open(run / "evaluation/summary.csv")))
        part = "test" if any(row["part"] == "test" for row in rows) else "validation"
        for row in rows:
            if row["part"] == part and row["mean"]:
                key = row["source"], part, row["measure"], row["over"]
                values.setdefault(key, []).append(float(row["mean"]))
        for row in csv.DictReader(open(run / "evaluation/per_class.csv")):
            if row["part"] == part and row["in_means"] == "yes" and row["hausdorff_mm"]:
                key = row["source"], part, "hausdorff_mm", "images"
                values.setdefault(key, []).append(float(row["hausdorff_mm"]))
        members = json.load(open(run / "run.json"))["members"]
        losses.append(statistics.mean(member["best_validation_loss"] for member in members))
        times = [list(csv.DictReader(open(path)))[-1]["wall_seconds"] for path in run.rglob("metrics.csv")]
        seconds.append(sum(map(float, times)))
    for source in dict.fromkeys(key[0] for key in values):
        if source in ("network", "post-processed") or variant == variants[-1]:
            part = next(key[1] for key in values if key[0] == source)
            cells = [values.get((source, part, *measure)) for measure in measures]
            cells = [f"{statistics.mean(cell):.4f}" if cell else "" for cell in cells]
            own = source in ("network", "post-processed")
            cells += [f"{statistics.mean(losses):.4f}", f"{statistics.mean(seconds):.0f}"] if own else ["", ""]
            print(f"| {variant if own else ''} | {source} | {part} | " + " | ".join(cells) + " |")
PYTHON
}

# For each variant and group (such as a patient): the Dice coefficient of all pixels, and the mean Hausdorff distance over
# the images in which neither mask is empty.
groups() {
    python3 - "$runs" "${variants[@]}" <<'PYTHON'
import csv, pathlib, statistics, sys

runs, variants = pathlib.Path(sys.argv[1]), sys.argv[2:]
cells = {}
for variant in variants:
    folder = runs / f"{variant}-seed-1/evaluation"
    for row in csv.DictReader(open(folder / "per_group.csv")):
        if row["source"] in ("network", "mean mask"):
            name = variant if row["source"] == "network" else row["source"]
            cells.setdefault(name, {})[row["group"]] = f"{float(row['dice']):.3f}"
    distances = {}
    for row in csv.DictReader(open(folder / "per_image.csv")):
        found = next((value for name, value in row.items() if name.startswith("hausdorff_mm") and value), None)
        if row["source"] == "network" and found:
            distances.setdefault(row["group"], []).append(float(found))
    for group, found in distances.items():
        cells[variant][group] += f", {statistics.mean(found):.1f} mm ({len(found)})"
names = sorted({group for row in cells.values() for group in row})
print("| variant | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
for variant in [*variants, "mean mask"]:
    print(f"| {variant} | " + " | ".join(cells[variant].get(name, "") for name in names) + " |")
PYTHON
}

variants=() common=()
case $study in
mars)
    config=configs/segmentation/mars.toml
    synthetic training=240 test=4 -- training.epochs=20
    plain=(model.unet.global.enabled=false model.unet.context.kind=none augment.copy_paste.probability=0)
    variant cross-entropy "${plain[@]}" loss.iou=0 loss.cross_entropy=1
    variant mean-iou-loss "${plain[@]}"
    variant global-branch
    ;;
stas)
    config=configs/segmentation/stas.toml
    # A quarter of the side: areas are a sixteenth, lengths a quarter.
    synthetic training=60 public=1 'shape=[236,429]' -- 'split.method={hold-out={validation=0.1747,test=0.1263}}' \
        split.bins=3 training.epochs=8 training.batch_size=4 training.accumulation=1 schedule.warmup_steps=11 \
        augment.auto.off_for_last=2 training.gradient_checkpointing=false model.unet.encoder.kind=resnet18 \
        prediction.postprocess.closing_radius_px=1.5 prediction.postprocess.border_gap_px=10 \
        prediction.postprocess.minimum_area_px=16
    variant recipe
    variant without-auto-augmentation augment.auto.probability=0
    ;;
sea-ice)
    config=configs/segmentation/sea_ice.toml
    synthetic training=64 test=1 -- 'source.format.tiff-triples.shape=[192,192]' model.unet.base_channels=16 \
        training.epochs=10
    variant unet
    variant resnet18 model.unet.encoder.kind=resnet18 model.unet.levels=5
    variant resnet34 model.unet.encoder.kind=resnet34 model.unet.levels=5
    variant bagging-mean ensemble.bags=3
    variant bagging-vote ensemble.bags=3 prediction.combine=vote
    "$program" search configs/search/sea-ice.toml -o "$runs/search" --set "training='$runs/unet-seed-1/config.toml'"
    config=$runs/search/best.toml common=() # best.toml holds all settings
    variant search
    ;;
right-ventricle)
    config=configs/segmentation/right_ventricle.toml
    common=("dataset='$data'" 'split.method="leave-one-group-out"' 'source.resize=[108,108]' training.epochs=20
        training.batch_size=4)
    [ -e "$data" ] || "$program" prepare "$config" --source "$source" -o "$data" $(settings "${common[@]}")
    seeds=1
    variant dice loss.switching=0 loss.dice=1
    variant dice-bce loss.switching=0 loss.dice=1 loss.cross_entropy=1
    variant dice-inverse-dice-bce loss.switching=0 loss.dice=1 loss.inverse_dice=1 loss.cross_entropy=1
    variant focal loss.switching=0 loss.focal=1
    variant switching
    variant bce loss.switching=0 loss.cross_entropy=1
    for background in grey white; do
        variant dice-on-$background loss.switching=0 loss.dice=1 loss.background=$background
        variant bce-on-$background loss.switching=0 loss.cross_entropy=1 loss.background=$background
    done
    ;;
right-ventricle-grid)
    config=configs/segmentation/right_ventricle.toml
    common=("dataset='$data'" 'split.method="leave-one-group-out"' 'source.resize=[108,108]' training.epochs=30
        training.batch_size=4 schedule.every_epochs=8)
    [ -e "$data" ] || "$program" prepare "$config" --source "$source" -o "$data" $(settings "${common[@]}")
    seeds=1
    for algorithm in adam sgd; do
        for shape in cosine step; do
            for rate in 1e-2 1e-3 1e-4; do
                for share in 1.0 0.7 0.4; do
                    variant "$algorithm-$shape-$rate-$share" "optimizer.algorithm=$algorithm" \
                        "optimizer.learning_rate=$rate" "schedule.shape=$shape" "ensemble.training_share=$share"
                done
            done
        done
    done
    ;;
*)
    echo "unknown study: $study" >&2
    exit 2
    ;;
esac
{
    table
    case $study in right-ventricle*) echo; groups ;; esac
} | tee "$runs/table.md"
