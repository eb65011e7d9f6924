"""Predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.

>>> import numpy as np, porecast
>>> solid = np.zeros((64, 32), bool)
>>> solid[20:26, 8:20] = True
>>> frames = porecast.predict(solid, capillary_number=3e-3)
>>> frames.shape
(26, 64, 32)

Arrays are NumPy arrays with the axes [y, x] or [time, y, x]; row 0 is the top of the image. ``solid`` is True in grains and
False in pores. Long calls release Python's lock and stop at Ctrl-C. Errors: ValueError for arguments and settings,
FileNotFoundError, FileExistsError and OSError for files, RuntimeError where a computation failed.
"""

from porecast.dataset import open_dataset
from porecast.pipeline import simulate, train
from porecast.run import Run, predict
from porecast.scoring import scores
from porecast.segmentation import SegmentationRun
from porecast.simulators import Trajectory, lattice_boltzmann, percolation

__all__ = [
    "Run",
    "SegmentationRun",
    "Trajectory",
    "lattice_boltzmann",
    "open_dataset",
    "percolation",
    "predict",
    "scores",
    "simulate",
    "train",
]
