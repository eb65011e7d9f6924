"""How well predicted sequences tell when fluid reaches the outlet.

    python scripts/breakthrough.py predictions.h5 dataset.h5 [THRESHOLD]

Breakthrough is the first time at which a pixel of the outlet edge has a probability above THRESHOLD (0.5). The mean error counts a
missed breakthrough at the end of the sequence. Needs h5py and numpy.
"""

import sys

import h5py
import numpy as np


def outlet(frames, inlet):
    """Pixels of the edge opposite the inlet, [time, pixel]."""
    return {"top": frames[:, -1], "bottom": frames[:, 0], "left": frames[:, :, -1], "right": frames[:, :, 0]}[inlet]


def first(times, reached):
    """The first time at which any pixel is reached; infinity if none is."""
    at = reached.any(axis=1)
    return times[at.argmax()] if at.any() else np.inf


def main(predictions, dataset, threshold=0.5):
    with h5py.File(predictions) as predicted, h5py.File(dataset) as true:
        place = {name: row for row, name in enumerate(true["domain_id"].asstr())}
        pairs, ends = [], []
        for row, name in enumerate(predicted["domain_id"].asstr()):
            times, edge = true["time"][place[name]], true.attrs["inlet"]
            pairs.append(
                [
                    first(predicted["time"][row], outlet(predicted["probability"][row], edge) > float(threshold)),
                    first(times, outlet(true["phase"][place[name]], edge) > 0),
                ]
            )
            ends.append(times[-1])
    found, truth = np.array(pairs).T
    happens = np.isfinite(truth)
    error = np.abs(found[happens] - truth[happens])
    mean = np.abs(np.minimum(found, ends)[happens] - truth[happens]).mean()
    print(f"{happens.sum()} of {len(truth)} domains break through")
    print(f"within 0.03: {(error <= 0.03).sum()}, within 0.06: {(error <= 0.06).sum()}, missed: {np.isinf(error).sum()}")
    print(f"predicted where there is none: {np.isfinite(found[~happens]).sum()}; mean error {mean:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
