"""How far simulations of the same domains with other numerical settings differ: the error below which a score says nothing.

    porecast simulate configs/simulate/physics-256x64.toml -o data/slow.h5 \\
        --set seed=2 --set domains=60 --set lattice_boltzmann.slowdown=2
    python scripts/truth.py data/slow.h5 simulations/datasets/physics-256x64/validation.h5

Domains with the same solid are compared. Prints means over them: the share of the pore space that differs (the squared error
of a mask), over all frames and in the last one; the difference of the saturation; the intersection over union of the last frame.
"""

import sys

import h5py
import numpy as np


def invaded(dataset):
    """By solid: the invaded pixels ``[time, y, x]``."""
    with h5py.File(dataset) as file:
        return {solid.tobytes(): (solid == 0, phase == 1) for solid, phase in zip(file["solid"], file["phase"])}


def main(one, other):
    one, other = invaded(one), invaded(other)
    rows = []
    for key in one.keys() & other.keys():
        (pore, a), (_, b) = one[key], other[key]
        a, b = a[:, pore], b[:, pore]
        differs = (a != b).mean(1)
        saturation = np.abs(a.mean(1) - b.mean(1)).mean()
        rows.append([differs.mean(), differs[-1], saturation, (a & b)[-1].sum() / (a | b)[-1].sum()])
    if not rows:
        sys.exit("the datasets have no domain in common")
    mean = np.mean(rows, 0)
    draw = np.random.default_rng(0)
    means = [np.mean(draw.choice(rows, len(rows)), 0) for _ in range(2000)]
    low, high = np.percentile(means, [2.5, 97.5], 0)
    print(f"| {len(rows)} domains | mean | 95 % interval |\n|---|---|---|")
    for name, *values in zip(["differs", "differs, last frame", "saturation differs", "IoU, last frame"], mean, low, high):
        print("| {} | {:.4f} | {:.4f} to {:.4f} |".format(name, *values))


if __name__ == "__main__":
    main(*sys.argv[1:3])
