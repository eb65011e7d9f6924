"""Files of porecast as xarray datasets; needs the packages of ``pip install porecast[xarray]``."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from porecast import _porecast

if TYPE_CHECKING:
    import xarray

_DIMENSIONS = {
    "domain_id": ("domain",),
    "time": ("domain", "frame"),
    "solid": ("domain", "y", "x"),
    "phase": ("domain", "frame", "y", "x"),
    "probability": ("domain", "frame", "y", "x"),
    "volume": ("domain", "frame", "fluid"),
    "pressure": ("domain", "frame", "y", "x"),
    "velocity": ("domain", "frame", "component", "y", "x"),
    "frame": ("frame",),
    "y": ("y",),
    "x": ("x",),
}
_COORDINATES = ("domain_id", "time", "frame", "y", "x")
_TABLES = ("parameters", "lattice")
_UNITS = {"volume": "pixels", "pressure": "Pa", "velocity": "m/s"}


Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A file, files that a pattern such as ``data/*.h5`` names, or a list of both."""


def open_dataset(paths: Paths) -> xarray.Dataset:
    """Open datasets of invasion sequences, or predictions, as an xarray dataset that reads values when they are used.

    Dimensions: ``domain``, ``frame``, ``y``, ``x``. Variables of a dataset: ``solid`` (1 in grains), ``phase`` (1 in the
    invading fluid), and a value per domain of each parameter, such as ``capillary_number``; of predictions:
    ``solid`` and ``probability``. Coordinates: ``domain_id``, ``time``, whose unit is in its attributes, and
    the places ``y`` and ``x`` of the pixels' centres where the file has them. Close it, or use
    it in a ``with`` statement, before porecast writes the file again.

    Several files, in a list or by a pattern (``"data/*.h5"``), follow each other along ``domain``. They are of one kind, with
    equal frames, sizes and units; variables and attributes that one of them lacks or has otherwise are left out.

    Raises ImportError without xarray and h5py, FileNotFoundError or OSError if a file cannot be read or is damaged, ValueError
    if it is not a dataset or predictions of porecast, or not of the kind of the first.
    """
    try:
        import h5py
        import xarray
    except ImportError as error:
        raise ImportError(f"{error}; install it with: pip install 'porecast[xarray]'") from error

    with contextlib.ExitStack() as opened:
        files = []
        for path in _paths(paths):
            _porecast.approve(path)
            files.append(opened.enter_context(h5py.File(path)))
            _check(path, files)
        dataset = _joined(files)
        dataset.set_close(opened.pop_all().close)
    return dataset


def _paths(paths: Paths) -> list[Path]:
    """Every file that is named, those of a pattern in the order of their names."""
    found: list[Path] = []
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        text = os.fspath(path)
        is_pattern = glob.has_magic(text) and not os.path.exists(text)
        named = sorted(glob.glob(text, recursive=True)) if is_pattern else [text]
        if not named:
            raise FileNotFoundError(f"{text}: no file has such a name; check the pattern")
        found.extend(map(Path, named))
    if not found:
        raise ValueError("no file is given; pass a path, a pattern or a list of them")
    return found


def _check(path: Path, files: list[Any]) -> None:
    """Refuses the last file if it is of no kind known here, or of another kind than the first."""
    first, file = files[0], files[-1]
    if file.attrs.get("format") not in ("porecast-invasion", "porecast-predictions"):
        raise ValueError(f"{path}: is neither a dataset of invasions nor predictions of porecast")
    frames = {"porecast-invasion": "phase", "porecast-predictions": "probability"}[first.attrs["format"]]
    for attribute in ("format", "time_unit", "voxel_size_m", "inlet"):
        own, other = file.attrs[attribute], first.attrs[attribute]
        # The size of a pixel is not a number where it is unknown.
        if own != other and not (own != own and other != other):
            raise ValueError(
                f"{path}: has {attribute} {own}, the first file has {other}; open it alone"
            )
    if file[frames].shape[1:] != first[frames].shape[1:]:
        raise ValueError(
            f"{path}: has frames, height and width {file[frames].shape[1:]}, the first file has {first[frames].shape[1:]}; "
            "open it alone"
        )


def _joined(files: list[Any]) -> xarray.Dataset:
    """One xarray dataset of files of one kind."""
    import xarray

    first = files[0]
    variables: dict[str, Any] = {}
    for name, dimensions in _DIMENSIONS.items():
        if not all(name in file for file in files):
            continue
        if name == "domain_id":
            ids = [file[name].asstr()[:].astype(str) for file in files]
            variables[name] = (dimensions, np.concatenate(ids))
        elif "domain" in dimensions:
            variables[name] = xarray.Variable(dimensions, _lazy([file[name] for file in files]))
        else:
            variables[name] = xarray.Variable(dimensions, first[name][:])
    for table in _TABLES:
        if all(table in file for file in files):
            rows = [file[table][:] for file in files]
            for field in rows[0].dtype.names:
                if all(field in part.dtype.names for part in rows):
                    variables[field] = (("domain",), np.concatenate([part[field] for part in rows]))
    coordinates = {name: variables.pop(name) for name in _COORDINATES if name in variables}
    attributes = {
        name: value
        for name, value in first.attrs.items()
        if all(name in file.attrs and np.array_equal(file.attrs[name], value) for file in files)
    }
    dataset = xarray.Dataset(variables, coordinates, attributes)
    dataset["time"].attrs["units"] = first.attrs["time_unit"]
    for name, unit in _UNITS.items():
        if name in dataset:
            dataset[name].attrs["units"] = unit
    for name in ("y", "x"):
        if name in dataset.coords:
            dataset[name].attrs["units"] = first[name].attrs["units"]
    return dataset


def _lazy(stored: list[Any]) -> Any:
    """An array for xarray that reads from HDF5 datasets, one behind the other along the first axis, what is asked for."""
    from xarray.backends import BackendArray
    from xarray.core import indexing

    starts = np.cumsum([0, *(len(part) for part in stored)])

    def read(index: tuple[Any, ...]) -> Any:
        rows, rest = index[0], index[1:]
        if isinstance(rows, (int, np.integer)):
            rows = int(rows) % int(starts[-1])
            part = int(np.searchsorted(starts, rows, side="right")) - 1
            return stored[part][(rows - int(starts[part]), *rest)]
        if len(stored) == 1:
            return stored[0][index]
        wanted = np.arange(starts[-1])[rows]
        pieces = []
        for part, start, end in zip(stored, starts, starts[1:]):
            own = wanted[(wanted >= start) & (wanted < end)] - start
            # One vector of indices is all that h5py takes, and there may be one in `rest`.
            own = own if isinstance(rows, np.ndarray) else slice(*_bounds(own))
            pieces.append(part[(own, *rest)])
        return np.concatenate(pieces)

    class Stored(BackendArray):
        shape = (int(starts[-1]), *stored[0].shape[1:])
        dtype = stored[0].dtype

        def __getitem__(self, key: Any) -> Any:
            return indexing.explicit_indexing_adapter(
                key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, read
            )

    return indexing.LazilyIndexedArray(Stored())


def _bounds(rows: Any) -> tuple[int, int, int]:
    """Start, end and step of evenly spaced rows."""
    if len(rows) == 0:
        return 0, 0, 1
    return int(rows[0]), int(rows[-1]) + 1, int(rows[1] - rows[0]) if len(rows) > 1 else 1
