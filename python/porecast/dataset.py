"""Files of porecast as xarray datasets; needs the packages of ``pip install porecast[xarray]``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

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


def open_dataset(path: str | os.PathLike[str]) -> xarray.Dataset:
    """Open a dataset of invasion sequences, or predictions, as an xarray dataset that reads values when they are used.

    Dimensions: ``domain``, ``frame``, ``y``, ``x``. Variables of a dataset: ``solid`` (1 in grains), ``phase`` (1 in the
    invading fluid), and a value per domain of each parameter, such as ``capillary_number``; of predictions:
    ``solid`` and ``probability``. Coordinates: ``domain_id``, ``time``, whose unit is in its attributes, and
    the places ``y`` and ``x`` of the pixels' centres where the file has them. Close it, or use
    it in a ``with`` statement, before porecast writes the file again.

    Raises ImportError without xarray and h5py, FileNotFoundError or OSError if the file cannot be read, ValueError if it is
    not a dataset or predictions of porecast.
    """
    try:
        import h5py
        import xarray
    except ImportError as error:
        raise ImportError(f"{error}; install it with: pip install 'porecast[xarray]'") from error

    path = os.fspath(path)
    file = h5py.File(path)
    if file.attrs.get("format") not in ("porecast-invasion", "porecast-predictions"):
        file.close()
        raise ValueError(f"{path}: is neither a dataset of invasions nor predictions of porecast")
    variables: dict[str, Any] = {}
    for name, dimensions in _DIMENSIONS.items():
        if name == "domain_id":
            variables[name] = (dimensions, file[name].asstr()[:].astype(str))
        elif name in file:
            variables[name] = xarray.Variable(dimensions, _lazy(file[name]))
    for table in _TABLES:
        if table in file:
            rows = file[table][:]
            variables |= {field: (("domain",), rows[field]) for field in rows.dtype.names}
    coordinates = {name: variables.pop(name) for name in _COORDINATES if name in variables}
    dataset = xarray.Dataset(variables, coordinates, dict(file.attrs))
    dataset["time"].attrs["units"] = file.attrs["time_unit"]
    for name, unit in _UNITS.items():
        if name in dataset:
            dataset[name].attrs["units"] = unit
    for name in ("y", "x"):
        if name in dataset.coords:
            dataset[name].attrs["units"] = file[name].attrs["units"]
    dataset.set_close(file.close)
    return dataset


def _lazy(stored: Any) -> Any:
    """An array for xarray that reads from an HDF5 dataset what is asked for."""
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class Stored(BackendArray):
        shape = stored.shape
        dtype = stored.dtype

        def __getitem__(self, key: Any) -> Any:
            return indexing.explicit_indexing_adapter(
                key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, lambda index: stored[index]
            )

    return indexing.LazilyIndexedArray(Stored())
