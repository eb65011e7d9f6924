"""Draws how predicted and simulated invasions respond to capillary number and viscosity ratio on the same geometry.

    python scripts/response.py runs/skill/two-ca-1/evaluation-response/scores.json DATASET.h5 docs/skill-response.png

Needs h5py, numpy and matplotlib. Each point is a domain: saturation and front roughness at breakthrough, as simulated and
as predicted, each at its own breakthrough. Front roughness is the distance from the furthest invaded pixel to the mean of
the furthest invaded pixels of all lanes, over the length of the domain. Prints the correlations.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import h5py
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

MEASURES = {"saturation at breakthrough": 0, "front roughness at breakthrough": 1, "breakthrough, pore volumes": 2}


def at_breakthrough(domain, prefix):
    """Saturation, front roughness and time at breakthrough; of the last frame where there is none."""
    time = domain[f"{prefix}breakthrough_time"]
    frames = domain["frames"]
    frame = next((frame for frame in frames if time is not None and frame["time"] >= time), frames[-1])
    gap = frame[f"{prefix}front"] - frame[f"{prefix}mean_front"]
    return frame[f"{prefix}saturation"], gap / domain["length"], frame["time"]


def read(scores, dataset):
    """By geometry: capillary number, viscosity ratio, simulated and predicted measures of each domain."""
    with h5py.File(dataset) as file:
        ids = [name.decode() if isinstance(name, bytes) else name for name in file["domain_id"][:]]
        parameters, solid = file["parameters"][:], file["solid"][:]
    geometry = {name: solid[i].tobytes() for i, name in enumerate(ids)}
    order = {grid: number for number, grid in enumerate(dict.fromkeys(geometry.values()))}
    place = {name: i for i, name in enumerate(ids)}
    found = defaultdict(list)
    source = json.loads(Path(scores).read_text())["parts"][0]["sources"][0]
    for domain in source["domains"]:
        name = domain["domain_id"]
        told = parameters[place[name]]
        row = (told["capillary_number"], told["viscosity_ratio"])
        row += at_breakthrough(domain, "true_") + at_breakthrough(domain, "")
        found[order[geometry[name]]].append(row)
    return {number: np.array(rows) for number, rows in sorted(found.items())}


def correlation(rows, column):
    return np.corrcoef(rows[:, 2 + column], rows[:, 5 + column])[0, 1]


def main(scores, dataset, picture):
    found = read(scores, dataset)
    every = np.concatenate(list(found.values()))
    within = np.concatenate([rows - rows.mean(axis=0) for rows in found.values()])
    print("| measure | correlation over all domains | with the mean of each geometry removed |\n|---|---|---|")
    for name, column in MEASURES.items():
        print(f"| {name} | {correlation(every, column):.2f} | {correlation(within, column):.2f} |")

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
    for axis, (name, column) in zip(axes, MEASURES.items()):
        for marker, (number, rows) in zip("osD^vP", found.items()):
            points = axis.scatter(
                rows[:, 2 + column], rows[:, 5 + column], c=np.log10(rows[:, 0]), vmin=-3, vmax=-1.5,
                cmap="viridis", marker=marker, edgecolor="black", linewidth=0.5, label=f"geometry {number + 1}",
            )
        both = every[:, [2 + column, 5 + column]]
        ends = both.min(), both.max()
        axis.plot(ends, ends, color="grey", linewidth=1, zorder=0)
        axis.set(title=name, xlabel="simulated", ylabel="predicted")
    axes[0].legend(fontsize=8)
    figure.colorbar(points, ax=axes, label="log10 of the capillary number")
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:4])
