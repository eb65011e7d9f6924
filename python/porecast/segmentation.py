"""Networks that segment images."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import ArrayLike, NDArray

from porecast import _porecast
from porecast._arrays import photograph


class SegmentationRun:
    """The networks of a segmentation run, ready to segment images: :meth:`load` makes one."""

    def __init__(self, compiled: _porecast.SegmentationRun) -> None:
        self._compiled = compiled

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "cpu", tile: int | None = None) -> SegmentationRun:
        """Load the run folder that a training has written, each network with the weights of its best epoch.

        Images with an edge longer than ``tile`` pixels, by default 512, are predicted in overlapping tiles. ``device`` is
        ``"cpu"``, or ``"cuda"`` in a build with that feature.

        Raises FileNotFoundError or OSError if the folder is not a segmentation run with a trained network.
        """
        return cls(_porecast.SegmentationRun(os.fspath(path), device, tile))

    @property
    def name(self) -> str:
        """Name of the run."""
        return self._compiled.name

    @property
    def classes(self) -> list[str]:
        """Names of the classes, the background first; :meth:`mask` holds their index."""
        return self._compiled.classes

    def predict(self, image: ArrayLike) -> NDArray[np.float32]:
        """Probability of each class [class, y, x], from 0 to 1; of two classes only the second, the foreground.

        ``image`` is [y, x] or [y, x, channel], as matplotlib and Pillow read it: floats from 0 to 1, or unsigned integers. A
        grey image serves a run of colour images, and an alpha channel is left out.

        Raises ValueError for an image without pixels or with another number of channels than the training images.
        """
        return self._compiled.predict(photograph("image", image))

    def mask(self, image: ArrayLike) -> NDArray[np.uint8]:
        """Class of each pixel [y, x], an index of :attr:`classes`, after the post-processing of the run.

        ``image`` and errors as of :meth:`predict`.
        """
        return self._compiled.mask(photograph("image", image))

    def __repr__(self) -> str:
        return f"<SegmentationRun {self.name!r}: {', '.join(self.classes)}>"
