"""Prints the table of a drainage dataset's README: `python describe.py lbm-256x64/lbm-256x64.h5` (needs h5py)."""

import sys

import h5py
import numpy as np


def measures(solid, phase):
    """Saturation at breakthrough (nan without one), that of the last frame, border over area, retreat over area."""
    saturation = phase.sum(axis=(1, 2)) / (~solid).sum()
    at_outlet = phase[:, -1].any(axis=1)
    last = phase[-1]
    defending = ~solid & ~last
    border = sum(
        (a[:-1] & b[1:]).sum() + (b[:-1] & a[1:]).sum() for a, b in [(last, defending), (last.T, defending.T)]
    )
    retreat = (phase[:-1] & ~phase[1:]).sum()
    breakthrough = saturation[at_outlet.argmax()] if at_outlet.any() else np.nan
    return breakthrough, saturation[-1], border / last.sum(), retreat / last.sum()


def spread(values):
    values = values[np.isfinite(values)]
    return f"{values.mean():.3f} ± {values.std():.3f} (from {values.min():.3f} to {values.max():.3f})"


with h5py.File(sys.argv[1]) as file:
    rates = file["parameters"]["capillary_number"]
    solid, phase = file["solid"][:].astype(bool), file["phase"]
    found = np.array([measures(one, phase[i].astype(bool)) for i, one in enumerate(solid)])
    porosity = (~solid).mean(axis=(1, 2))
print("| Ca | domains | porosity | reached the outlet | saturation at breakthrough | saturation of the last frame |", end="")
print(" border over area | retreat |\n" + "|---" * 8 + "|")
for name, chosen in [*((f"{rate:.0e}", rates == rate) for rate in np.unique(rates)), ("all", rates > 0)]:
    breakthrough, last, border, retreat = found[chosen].T
    print(
        f"| {name} | {chosen.sum()} | {spread(porosity[chosen])} | {np.isfinite(breakthrough).sum()} "
        f"| {spread(breakthrough)} | {spread(last)} | {border.mean():.3f} | {100 * retreat.mean():.1f} % |"
    )
