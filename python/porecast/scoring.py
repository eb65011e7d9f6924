"""Scores of predictions."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from porecast import _porecast
from porecast._arrays import mask, probability


def scores(
    truth: ArrayLike, prediction: ArrayLike, solid: ArrayLike, *, inlet: str = "top"
) -> dict[str, NDArray[np.float64]]:
    """Score a predicted sequence frame by frame, as ``porecast evaluate`` does.

    Parameters
    ----------
    truth
        True phase [time, y, x]: True or 1 where the invading fluid is.
    prediction
        Predicted probability [time, y, x] from 0 to 1, or a predicted phase.
    solid
        The domain [y, x]: True or 1 in grains.
    inlet
        Edge where the fluid enters: top, bottom, left or right.

    Returns
    -------
    dict
        For each measure an array [time]; ``pandas.DataFrame`` takes it as it is.

        - ``mse``: mean squared error in the pore space; ``whole_image_mse`` over all pixels
        - ``iou``, ``dice``, ``precision``, ``recall`` of the invaded region (probability above 0.5)
        - ``saturation_error``: absolute error of the mean probability over the pore space, a fraction of it
        - ``front_error``, ``mean_front_error``: position of the furthest invaded pixel, and averaged over the width;
          absolute, fractions of the length
        - ``connected``: share of the predicted invaded region that is connected to the inlet
        - ``euler_error``: absolute error of the Euler characteristic
        - ``retreat``: share of the invaded pixels of the frame before that are not invaded any more

    Raises
    ------
    ValueError
        The shapes differ, or there is no frame or no pore.
    """
    return _porecast.scores(
        mask("truth", truth, "time, y, x"),
        probability("prediction", prediction, "time, y, x"),
        mask("solid", solid, "y, x"),
        inlet,
    )
