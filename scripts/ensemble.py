"""Prints the squared error in the pore space, of all frames and of the last, of several predictions and of their mean.

    python scripts/ensemble.py DATASET PREDICTIONS...

The files are those that `porecast predict` or `porecast evaluate` writes for the same domains of DATASET, by runs with different
seeds. Means are over frames, then over domains.
"""

import sys

import h5py
import numpy as np


def errors(probability, phase, pore):
    squared = (probability - phase) ** 2
    return squared[:, pore].mean(), squared[-1][pore].mean()


def main(dataset, *files):
    with h5py.File(dataset) as truth:
        place = {name: index for index, name in enumerate(truth["domain_id"][:])}
        runs = [h5py.File(file) for file in files]
        rows = {name: [] for name in [*files, "their mean"]}
        for index, name in enumerate(runs[0]["domain_id"][:]):
            phase = truth["phase"][place[name]].astype(float)
            pore = ~runs[0]["solid"][index].astype(bool)
            found = [run["probability"][list(run["domain_id"][:]).index(name)] for run in runs]
            for row, probability in zip(rows.values(), [*found, np.mean(found, axis=0)]):
                row.append(errors(probability, phase, pore))
    for name, values in rows.items():
        print("{}: {:.4f}, last frame {:.4f}".format(name, *np.mean(values, axis=0)))


if __name__ == "__main__":
    main(*sys.argv[1:])
