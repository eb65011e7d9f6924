import numpy as np
import pytest

import porecast

SOLID = np.array([[False, True], [False, False]])
TRUTH = np.array([[[0, 0], [0, 0]], [[1, 0], [0, 0]]], bool)


def test_measures_agree_with_a_calculation_by_hand():
    prediction = np.array([[[0.0, 0], [0, 0]], [[0.8, 0], [0.6, 0]]])
    scores = porecast.scores(TRUTH, prediction, SOLID)
    np.testing.assert_allclose(scores["mse"], [0, (0.04 + 0.36) / 3], rtol=1e-6)
    np.testing.assert_allclose(scores["whole_image_mse"], [0, (0.04 + 0.36) / 4], rtol=1e-6)
    np.testing.assert_allclose(scores["iou"], [1, 1 / 2])
    np.testing.assert_allclose(scores["precision"], [1, 1 / 2])
    np.testing.assert_allclose(scores["recall"], [1, 1])
    np.testing.assert_allclose(scores["saturation_error"], [0, (0.8 + 0.6) / 3 - 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(scores["front_error"], [0, 1 / 2])
    assert len(scores) == 12


def test_the_truth_is_perfect():
    scores = porecast.scores(TRUTH, TRUTH, SOLID.astype(np.uint8))
    assert (scores["mse"] == 0).all() and (scores["iou"] == 1).all()


@pytest.mark.parametrize(
    ("truth", "prediction", "solid", "text"),
    [
        (TRUTH, TRUTH[:1], SOLID, "are .time, y, x. of one shape"),
        (TRUTH, TRUTH * 2.0, SOLID, "prediction: holds values outside 0 to 1"),
        (TRUTH, np.full(TRUTH.shape, np.nan), SOLID, "prediction: holds values outside 0 to 1"),
        (TRUTH[:0], TRUTH[:0], SOLID, "has no frames"),
        (TRUTH, TRUTH, SOLID | True, "has no pore space"),
        (TRUTH, TRUTH, ~SOLID, "is solid inverted"),
    ],
)
def test_what_cannot_be_scored_is_a_value_error(truth, prediction, solid, text):
    with pytest.raises(ValueError, match=text):
        porecast.scores(truth, prediction, solid)
