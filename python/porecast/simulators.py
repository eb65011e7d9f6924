"""Simulators of the drainage of one domain."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from porecast import _porecast
from porecast._arrays import mask


@dataclass(frozen=True, repr=False)
class Trajectory:
    """A simulated invasion sequence."""

    phase: NDArray[np.bool_]
    """Phase [time, y, x]: True where the invading fluid is."""
    times: NDArray[np.float64]
    """Time of each frame [time], in :attr:`time_unit`."""
    time_unit: str
    """``"pore-volumes"``: injected volume over the volume of the pore space."""
    solid: NDArray[np.bool_]
    """The domain [y, x]: True in grains."""
    inlet: str
    """Edge where the fluid enters: top, bottom, left or right."""

    @property
    def saturation(self) -> NDArray[np.float64]:
        """Fraction of the pore space that the invading fluid fills, for each frame [time]."""
        return np.asarray(self.phase.sum(axis=(1, 2)) / (~self.solid).sum())

    @property
    def arrival_time(self) -> NDArray[np.float64]:
        """Time of the first frame in which each pixel is invaded [y, x]; NaN in solid and where that never happens."""
        return np.where(self.phase.any(axis=0), self.times[self.phase.argmax(axis=0)], np.nan)

    @property
    def breakthrough_time(self) -> float | None:
        """Time of the first frame with invading fluid on the edge opposite the inlet; None if it never arrives."""
        outlet = {
            "top": self.phase[:, -1, :],
            "bottom": self.phase[:, 0, :],
            "left": self.phase[:, :, -1],
            "right": self.phase[:, :, 0],
        }[self.inlet]
        reached = outlet.any(axis=1)
        return float(self.times[reached.argmax()]) if reached.any() else None

    def __repr__(self) -> str:
        frames, height, width = self.phase.shape
        return f"<Trajectory: {frames} frames of {height} x {width} pixels until {self.times[-1]:.3g} {self.time_unit}>"


def percolation(
    solid: ArrayLike,
    *,
    frames: int = 26,
    until: float | None = None,
    inlet: str = "top",
    trapping: bool = True,
    after_breakthrough: str = "hold",
) -> Trajectory:
    """Simulate quasi-static drainage of a domain by image-based invasion percolation, the limit of a vanishing rate.

    Parameters
    ----------
    solid
        The domain [y, x]: True or 1 in grains, False or 0 in pores.
    frames
        Number of frames, equally spaced in time, the first at time 0 with nothing invaded.
    until
        Time of the last frame in pore volumes; None stops at breakthrough.
    inlet
        Edge where the fluid enters: top, bottom, left or right.
    trapping
        Whether defending fluid without a path to the outlet stays where it is.
    after_breakthrough
        ``"hold"``: nothing changes any more; ``"continue"``: the fluid enters the remaining pores.

    Raises
    ------
    ValueError
        A setting is out of range, or no path leads from the inlet to the opposite edge.
    """
    if after_breakthrough not in ("hold", "continue"):
        raise ValueError(f"after_breakthrough: {after_breakthrough!r} is not 'hold' or 'continue'")
    solid = mask("solid", solid, "y, x")
    found = _porecast.percolation(solid, inlet, frames, until, trapping, after_breakthrough == "hold")
    return Trajectory(*found, solid, inlet)


def lattice_boltzmann(
    solid: ArrayLike,
    *,
    capillary_number: float = 1e-2,
    viscosity_ratio: float = 0.1,
    contact_angle_deg: float = 45.0,
    frames: int = 26,
    until: float | None = None,
    inlet: str = "top",
    sites_per_pixel: int | None = None,
    threads: int | None = None,
) -> Trajectory:
    """Simulate drainage of a domain at a constant rate by two-phase lattice Boltzmann: seconds to hours.

    Only the inlet and the opposite edge are open; the sides are walls.

    Parameters
    ----------
    solid
        The domain [y, x]: True or 1 in grains, False or 0 in pores. Throats need at least 4 lattice sites.
    capillary_number
        Ca = viscosity of the invading fluid x injection velocity / interfacial tension; valid from about 1e-3 to 0.1.
        The time of a simulation grows with 1 / Ca.
    viscosity_ratio
        Viscosity of the invading over that of the defending fluid, from 1/100 to 100.
    contact_angle_deg
        Degrees, measured through the defending fluid.
    frames
        Number of frames, equally spaced in time, the first at time 0 with nothing invaded.
    until
        Time of the last frame in pore volumes; None stops at breakthrough.
    inlet
        Edge where the fluid enters: top, bottom, left or right.
    sites_per_pixel
        Lattice sites along the edge of a pixel; None takes as few as resolve the throats, at most 8.
    threads
        Threads; None takes all processors. The result does not depend on it.

    Raises
    ------
    ValueError
        A setting is out of range, a throat is too narrow, or the fluid does not reach the opposite edge.
    RuntimeError
        The simulation became unstable.
    """
    solid = mask("solid", solid, "y, x")
    found = _porecast.lattice_boltzmann(
        solid,
        inlet,
        frames,
        until,
        capillary_number,
        viscosity_ratio,
        contact_angle_deg,
        sites_per_pixel,
        threads or os.cpu_count() or 1,
    )
    return Trajectory(*found, solid, inlet)
