"""Campaigns and trainings."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from porecast import _porecast

Config = str | os.PathLike[str] | Mapping[str, object]
"""Path of a TOML file, or its content as nested dictionaries."""
Progress = Callable[[str], object] | None
"""Called with each line of progress; None is quiet."""


def simulate(
    config: Config,
    output: str | os.PathLike[str],
    *,
    set: Mapping[str, object] | None = None,
    force: bool = False,
    progress: Progress = print,
) -> Path:
    """Simulate the domains of a campaign on all processors and write a dataset, as ``porecast simulate`` does.

    Ctrl-C raises KeyboardInterrupt and keeps the finished domains; the same call goes on from there. An exception in
    ``progress`` stops it in the same way. One simulation or training runs at a time in a process.

    Parameters
    ----------
    config
        Campaign: a TOML file, or a dictionary; images in a dictionary have absolute paths.
    output
        Dataset (HDF5) to write.
    set
        Changes of the configuration by key path, as ``{"percolation.frames": 11}``.
    force
        Replace an existing file that is not a dataset of this campaign.

    Returns
    -------
    Path
        ``output``; :func:`porecast.open_dataset` opens it.
    """
    with _file(config) as path:
        _porecast.simulate(path, Path(output), _changes(set), force, progress)
    return Path(output)


def train(
    config: Config,
    output: str | os.PathLike[str],
    *,
    set: Mapping[str, object] | None = None,
    device: str = "cpu",
    init: str | os.PathLike[str] | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = print,
) -> Path:
    """Train the networks of a run, as ``porecast train`` does.

    Ctrl-C raises KeyboardInterrupt after a checkpoint; the same call with ``resume=True`` goes on and gives the same bytes
    as a training that was never stopped. An exception in ``progress`` stops it in the same way. One simulation or training
    runs at a time in a process.

    Parameters
    ----------
    config
        Training: a TOML file, or a dictionary.
    output
        Run folder to create.
    set
        Changes of the configuration by key path, as ``{"training.epochs": 3}``.
    device
        ``"cpu"``, or ``"cuda"`` in a build with that feature.
    init
        Run folder whose weights the training begins with, of the same network.
    resume
        Continue from the last checkpoint, or begin if there is none.
    force
        Replace an existing run when the new one is trained.

    Returns
    -------
    Path
        ``output``; :meth:`porecast.Run.load` loads it.
    """
    with _file(config) as path:
        begin = None if init is None else Path(init)
        _porecast.train(path, Path(output), _changes(set), device, begin, resume, force, progress)
    return Path(output)


@contextmanager
def _file(config: Config) -> Iterator[Path]:
    """The configuration as a file."""
    if not isinstance(config, Mapping):
        yield Path(config)
        return
    with tempfile.TemporaryDirectory(prefix="porecast-") as folder:
        path = Path(folder, "config.toml")
        path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in config.items()), encoding="utf-8")
        yield path


def _changes(changes: Mapping[str, object] | None) -> list[str]:
    return [f"{key}={_toml(value)}" for key, value in (changes or {}).items()]


def _toml(value: object) -> str:
    """A value as TOML on one line, whose scalars are written as in JSON."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, os.PathLike):
        return json.dumps(os.fspath(value))
    if value is None:
        raise ValueError("None is no value of a configuration; leave the key out")
    return json.dumps(value, ensure_ascii=False)
