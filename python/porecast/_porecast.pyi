from collections.abc import Callable, Sequence
from os import PathLike
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Run",
    "SegmentationRun",
    "approve",
    "channels",
    "lattice_boltzmann",
    "percolation",
    "program",
    "scores",
    "simulate",
    "train",
]

_Sequence = tuple[NDArray[np.bool_], NDArray[np.float64], str]

@final
class Run:
    def __new__(cls, path: str | None, device: str, tile: int | None, rescale: float | None) -> Run: ...
    @property
    def name(self) -> str: ...
    @property
    def inlet(self) -> str: ...
    @property
    def time_unit(self) -> str: ...
    @property
    def voxel_size_m(self) -> float: ...
    @property
    def last_time(self) -> float: ...
    @property
    def times(self) -> list[float]: ...
    @property
    def physics(self) -> dict[str, tuple[float, float]]: ...
    def predict(
        self,
        solid: NDArray[np.bool_],
        times: Sequence[float],
        inlet: str,
        voxel_size_m: float,
        capillary_number: float | None,
        viscosity_ratio: float | None,
        contact_angle_deg: float | None,
        extrapolate: bool,
    ) -> tuple[NDArray[np.float32], list[str]]: ...

@final
class SegmentationRun:
    def __new__(cls, path: str, device: str, tile: int | None) -> SegmentationRun: ...
    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> list[str]: ...
    def predict(self, image: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def mask(self, image: NDArray[np.float32]) -> NDArray[np.uint8]: ...

def channels(solid: NDArray[np.bool_], names: Sequence[str], inlet: str) -> NDArray[np.float32]: ...
def approve(path: PathLike[str]) -> None: ...
def percolation(
    solid: NDArray[np.bool_], inlet: str, frames: int, pore_volumes: float | None, trapping: bool, holds: bool
) -> _Sequence: ...
def lattice_boltzmann(
    solid: NDArray[np.bool_],
    inlet: str,
    frames: int,
    pore_volumes: float | None,
    capillary_number: float,
    viscosity_ratio: float,
    contact_angle_deg: float,
    sites_per_pixel: int | None,
    threads: int,
) -> _Sequence: ...
def scores(
    truth: NDArray[np.bool_], prediction: NDArray[np.float32], solid: NDArray[np.bool_], inlet: str
) -> dict[str, NDArray[np.float64]]: ...
def simulate(
    config: PathLike[str],
    output: PathLike[str],
    set: Sequence[str],
    force: bool,
    show: Callable[[str], object] | None,
) -> None: ...
def train(
    config: PathLike[str],
    output: PathLike[str],
    set: Sequence[str],
    device: str,
    init: PathLike[str] | None,
    resume: bool,
    force: bool,
    show: Callable[[str], object] | None,
) -> None: ...
def program(arguments: Sequence[str]) -> int: ...
