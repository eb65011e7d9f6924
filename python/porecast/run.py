"""Trained networks."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from porecast import _porecast
from porecast._arrays import mask, moments
from porecast._warnings import warn


class Run:
    """The networks of an invasion run, ready to predict domains: :meth:`load` or :meth:`shipped` makes one."""

    def __init__(self, compiled: _porecast.Run) -> None:
        self._compiled = compiled

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        device: str = "cpu",
        tile: int | None = None,
        rescale: float | None = None,
    ) -> Run:
        """Load the run folder that a training has written, each network with the weights of its best epoch.

        Domains with an edge longer than ``tile`` pixels are predicted in overlapping tiles: by default 512, but a
        recurrent network takes up to 1024 x 1024 pixels as a whole, more in tiles of 1024. ``device`` is ``"cpu"``, or ``"cuda"`` in a build
        with that feature.

        ``rescale`` is the factor by which the resolution of a domain is changed for the prediction. Without it, the factor
        is 1, or the nearest one that brings the mean chord length of the pores into the range of the training domains.

        Raises FileNotFoundError or OSError if the folder is not an invasion run with a trained network.
        """
        return cls(_porecast.Run(os.fspath(path), device, tile, rescale))

    @classmethod
    def shipped(cls, *, device: str = "cpu", tile: int | None = None, rescale: float | None = None) -> Run:
        """The model that comes with porecast: drainage until 0.8 pore volumes, at capillary numbers from 1e-3 to 3e-2,
        viscosity ratios from 0.05 to 1 and contact angles from 30° to 75°."""
        return cls(_porecast.Run(None, device, tile, rescale))

    @property
    def name(self) -> str:
        """Name of the run."""
        return self._compiled.name

    @property
    def times(self) -> NDArray[np.float64]:
        """Times [time] that :meth:`predict` takes where none are given: the mean times of the training domains."""
        return np.array(self._compiled.times)

    @property
    def time_unit(self) -> str:
        """Unit of the times: ``"pore-volumes"`` injected, ``"seconds"`` or ``"frames"``."""
        return self._compiled.time_unit

    @property
    def last_time(self) -> float:
        """Last time of the training domains, in :attr:`time_unit`."""
        return self._compiled.last_time

    @property
    def inlet(self) -> str:
        """Edge where the fluid entered the training domains: top, bottom, left or right."""
        return self._compiled.inlet

    @property
    def voxel_size_m(self) -> float:
        """Edge length in metres of a pixel of the training domains."""
        return self._compiled.voxel_size_m

    @property
    def physics(self) -> dict[str, tuple[float, float]]:
        """The quantities that the networks are told, each with its lowest and highest value in the training domains."""
        return self._compiled.physics

    def predict(
        self,
        solid: ArrayLike,
        times: Sequence[float] | NDArray[np.float64] | None = None,
        *,
        capillary_number: float | None = None,
        viscosity_ratio: float | None = None,
        contact_angle_deg: float | None = None,
        inlet: str | None = None,
        voxel_size_m: float | None = None,
        extrapolate: bool = False,
    ) -> NDArray[np.float32]:
        """Predict the invasion of a domain: probability of the invading phase [time, y, x], from 0 to 1.

        The probability is 0 in solid and in pores that no fluid can reach. ``frames > 0.5`` is the most probable phase,
        and the mean of ``frames[t][~solid]`` the predicted saturation.

        Parameters
        ----------
        solid
            The domain [y, x]: True or 1 in grains, False or 0 in pores.
        times
            Ascending or not, in :attr:`time_unit`; without them :attr:`times`. Single-frame networks know only
            :attr:`times`.
        capillary_number
            Ca = viscosity of the invading fluid x injection velocity / interfacial tension, for a run that is told it
            (see :attr:`physics`). The shipped model takes 0.01 where it is missing.
        viscosity_ratio
            Viscosity of the invading over that of the defending fluid. The shipped model takes 0.1.
        contact_angle_deg
            Degrees, measured through the defending fluid. The shipped model takes 45.
        inlet
            Edge where the fluid enters: top, bottom, left or right; without it :attr:`inlet`.
        voxel_size_m
            Edge length of a pixel in metres; without it :attr:`voxel_size_m`. Another one causes a warning, if anything.
        extrapolate
            Predict times after :attr:`last_time`, too.

        Warns
        -----
        UserWarning
            The domain or its physics lies outside the training domains, or the frames hold more or less fluid than was
            injected.

        Raises
        ------
        ValueError
            No path from the inlet to the opposite edge, a missing quantity, a time that the networks do not know.
        """
        frames, warnings = self._compiled.predict(
            mask("solid", solid, "y, x"),
            list(self._compiled.times) if times is None else moments(times),
            self.inlet if inlet is None else inlet,
            self.voxel_size_m if voxel_size_m is None else voxel_size_m,
            capillary_number,
            viscosity_ratio,
            contact_angle_deg,
            extrapolate,
        )
        warn(warnings)
        return frames

    def __repr__(self) -> str:
        return f"<Run {self.name!r}: {len(self._compiled.times)} times until {self.last_time:.3g} {self.time_unit}>"


def predict(
    solid: ArrayLike,
    times: Sequence[float] | NDArray[np.float64] | None = None,
    *,
    capillary_number: float | None = None,
    viscosity_ratio: float | None = None,
    contact_angle_deg: float | None = None,
    inlet: str | None = None,
    extrapolate: bool = False,
) -> NDArray[np.float32]:
    """:meth:`Run.predict` of the model that comes with porecast: probability of the invading phase [time, y, x].

    Times are in pore volumes injected; without them 26 times from 0 to 0.76.
    """
    return _shipped().predict(
        solid,
        times,
        capillary_number=capillary_number,
        viscosity_ratio=viscosity_ratio,
        contact_angle_deg=contact_angle_deg,
        inlet=inlet,
        extrapolate=extrapolate,
    )


@functools.cache
def _shipped() -> Run:
    return Run.shipped()
