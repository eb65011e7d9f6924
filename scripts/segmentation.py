"""Tables of a segmentation study (configs/studies), as in docs/segmentation.

    python3 scripts/segmentation.py runs/mars [VARIANT ...]

Mean scores of each variant over its seeds on the test images or, without any, on the validation images. Where images have
groups, such as patients, a second table scores each group with the first seed.
"""
import csv
import json
import pathlib
import re
import statistics
import sys


def table(runs, variants):
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


def groups(runs, variants):
    """Dice coefficient of all pixels, and the mean Hausdorff distance over the images in which neither mask is empty."""
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


runs = pathlib.Path(sys.argv[1])
found = sorted({re.sub("-seed-.*", "", run.parent.name) for run in runs.glob("*-seed-*/run.json")})
variants = sys.argv[2:] or found
table(runs, variants)
if all((runs / f"{variant}-seed-1/evaluation/per_group.csv").exists() for variant in variants):
    print()
    groups(runs, variants)
