"""Writes the tables of docs/skill.md from the scores of the runs that scripts/skill.sh trains.

    python scripts/skill.py runs/skill tables.md

A run folder is named VARIANT-SEED and has `evaluation` (its own test domains) and `evaluation-SET` for each further set.
Measures are means over domains; a cell holds the mean over seeds, and where there are several their range.
"""

import json
import random
import sys
from collections import defaultdict
from pathlib import Path

VARIANTS = {
    "recurrent": "the model that comes with porecast: a recurrent UNet, told the physics, trained on domains of several sizes and "
    "resolutions",
    "recurrent-narrower": "as it was before its state got 64 channels, with 32",
    "recurrent-first": "as it was after half of its training with 32 channels in three resolutions",
    "recurrent-one-resolution": "as it was before it was trained in other resolutions",
    "recurrent-one-size": "on domains of one size, from scratch",
    "recurrent-from-scratch": "from fresh weights",
    "recurrent-one-view": "without averaging the mirror image",
    "recurrent-one-scale": "predicted in one resolution",
    "sequence": "the whole sequence in one pass, told the physics; the recurrent network begins with its layers",
    "recipe": "the published study's recipe on the same domains: pore mask, time-embedded, three classes",
    "recipe-told": "the recipe, told the physics",
    "two-ca": "as sequence, on the campaign with two capillary numbers alone",
    "two-ca-untold": "not told the physics",
    "two-ca-pretrained": "after training on 1,428 percolation sequences",
    "two-ca-pore": "pore mask and depth as only channels",
    "two-ca-all-channels": "thickness, pressure and speed as further channels",
    "two-ca-recipe": "the published study's recipe",
}
SETS = {
    "own": "Test domains of lbm-256x64: capillary number 1e-3 or 1e-2, viscosity ratio 0.1, contact angle 45°",
    "test": "test.h5 of physics-256x64: capillary number 1e-3 to 3e-2, viscosity ratio 0.05 to 1, contact angle 30° to 75°",
    "other-grains": "other-grains.h5: the same physics in other geometries",
    "faster": "faster.h5: capillary number 0.04 to 0.1",
    "thicker": "thicker.h5: viscosity ratio 2 to 5",
    "larger": "larger.h5: the same physics in 512 x 128 pixels, four times the area",
    "shorter": "shorter.h5: the same physics in 128 x 64 pixels",
    "wider": "wider.h5: the same physics in 128 x 256 pixels",
    "finer": "finer.h5: the same physics in 128 x 64 pixels with grains half as large",
    "crops": "Crops of an image of a real bead pack: the same physics",
    "published": "A published drainage by the volume-of-fluid method",
}
HEADINGS = [
    "MSE",
    "MSE, last frame",
    "IoU at breakthrough",
    "\\|ΔS\\| before breakthrough",
    "breakthrough within 0.03",
    "connected share, error",
]


def iou(counts):
    union = counts["true_positive"] + counts["false_positive"] + counts["false_negative"]
    return counts["true_positive"] / union if union else 1.0


def measures(domain):
    """The measures of one domain, in the order of HEADINGS; None where one does not apply."""
    frames = domain["frames"]
    mse = [frame["mse"] for frame in frames]
    true_time, time = domain["true_breakthrough_time"], domain["breakthrough_time"]
    at = next((frame for frame in frames if frame["time"] == true_time), None)
    before = [frame for frame in frames if true_time is None or frame["time"] < true_time]
    saturation = [abs(frame["saturation"] - frame["true_saturation"]) for frame in before]
    connected = [abs(frame["connected"] - frame["true_connected"]) for frame in frames]
    near = None if true_time is None else float(time is not None and abs(time - true_time) <= 0.03)
    return [
        sum(mse) / len(mse),
        mse[-1],
        iou(at["counts"]) if at else None,
        sum(saturation) / len(saturation) if saturation else None,
        near,
        sum(connected) / len(connected),
    ]


def mean(values):
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else None


def interval(values, draws=2000):
    """The 95 % bootstrap interval of the mean over domains."""
    draw = random.Random(0)
    means = sorted(mean(draw.choices(values, k=len(values))) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws)]


def read(runs):
    """By set and variant or baseline, for each seed: the measures of each domain. Baselines are those of the first variant:
    the mean frame depends on the training domains."""
    found = defaultdict(lambda: defaultdict(dict))
    order = list(VARIANTS)
    paths = [(*path.parent.parent.name.rsplit("-", 1), path) for path in runs.glob("*/evaluation*/scores.json")]
    for variant, seed, path in sorted(paths, key=lambda one: (order.index(one[0]), one[1:])):
        scores = json.loads(path.read_text())
        parts = {part["part"]: part for part in scores["parts"]}
        part = parts.get("test") or parts.get("all")
        if part is None:
            continue
        name = path.parent.name.removeprefix("evaluation").removeprefix("-") or "own"
        for source in part["sources"]:
            key = source["source"] if source["is_baseline"] else variant
            found[name][key].setdefault(seed, [measures(domain) for domain in source["domains"]])
    return found


def cell(seeds, column):
    means = [mean([domain[column] for domain in domains]) for domains in seeds.values()]
    means = [value for value in means if value is not None]
    if not means:
        return "-"
    spread = f" ({min(means):.4f} to {max(means):.4f})" if len(means) > 1 and max(means) > min(means) else ""
    return f"{sum(means) / len(means):.4f}{spread}"


def table(sources):
    lines = ["| | " + " | ".join(HEADINGS) + " | 95 % interval of MSE |"]
    lines.append("|---|" + "---|" * (len(HEADINGS) + 1))
    order = [name for name in VARIANTS if name in sources] + [name for name in sources if name not in VARIANTS]
    for name in order:
        seeds = sources[name]
        cells = [cell(seeds, column) for column in range(len(HEADINGS))]
        # Seeds are averaged domain by domain: the interval is over domains.
        domains = [mean([one[0] for one in same]) for same in zip(*seeds.values())]
        low, high = interval(domains)
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {low:.4f} to {high:.4f} |")
    return "\n".join(lines)


def main(runs, page):
    found = read(runs)
    lines = ["| variant | |", "|---|---|"]
    lines += [f"| {name} | {what} |" for name, what in VARIANTS.items() if name in found.get("own", {})]
    for name, what in SETS.items():
        if name in found:
            lines += ["", f"## {what}", "", table(found[name])]
    page.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
