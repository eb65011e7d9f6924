"""Arrays as the compiled functions take them."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def mask(name: str, array: ArrayLike, axes: str) -> NDArray[np.bool_]:
    """A boolean array; not a copy if it is one already. 0 and 1 of other types are taken as False and True."""
    given = _with_axes(name, array, axes)
    if given.dtype == bool:
        return given
    booleans = given.astype(bool)
    if not np.array_equal(booleans, given):
        raise ValueError(f"{name}: holds values other than 0 and 1; compare grey values with a threshold, as in image < 0.5")
    return booleans


def probability(name: str, array: ArrayLike, axes: str) -> NDArray[np.float32]:
    """An array of 32-bit floats from 0 to 1; not a copy if it is one already."""
    floats = _with_axes(name, array, axes).astype(np.float32, copy=False)
    if not ((floats >= 0) & (floats <= 1)).all():
        raise ValueError(f"{name}: holds values outside 0 to 1; pass probabilities or booleans")
    return floats


def moments(times: ArrayLike) -> list[float]:
    """Times of a prediction, at least one."""
    given = np.asarray(times, dtype=float)
    if given.ndim != 1 or given.size == 0:
        raise ValueError(f"times: has shape {given.shape}, expected at least one time in a sequence, as in [0.1, 0.2]")
    return [float(time) for time in given]


def photograph(name: str, array: ArrayLike) -> NDArray[np.float32]:
    """An image [y, x] or [y, x, channel] as 32-bit floats [channel, y, x] from 0 to 1."""
    given = np.asarray(array)
    if given.ndim not in (2, 3):
        raise ValueError(f"{name}: has shape {given.shape}, expected [y, x] or [y, x, channel]")
    scale = np.iinfo(given.dtype).max if given.dtype.kind == "u" else 1
    floats = (given / np.float32(scale)).astype(np.float32, copy=False)
    if not ((floats >= 0) & (floats <= 1)).all():
        raise ValueError(f"{name}: holds values outside 0 to 1; pass floats from 0 to 1, or unsigned integers")
    return np.ascontiguousarray(floats[None] if given.ndim == 2 else np.moveaxis(floats, 2, 0))


def _with_axes(name: str, array: ArrayLike, axes: str) -> NDArray[Any]:
    given = np.asarray(array)
    if given.ndim != axes.count(",") + 1:
        raise ValueError(f"{name}: has shape {given.shape}, expected [{axes}]")
    return given
