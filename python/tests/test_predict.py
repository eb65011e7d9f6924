import threading
import warnings

import numpy as np
import pytest

import porecast
from conftest import discs


@pytest.fixture(autouse=True)
def outside_is_expected():
    """The small domains lie outside the training domains of the shipped model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def test_an_array_becomes_probabilities(solid):
    frames = porecast.predict(solid)
    assert frames.shape == (26, 64, 32) and frames.dtype == np.float32
    assert 0 <= frames.min() and frames.max() <= 1
    assert (frames[:, solid] == 0).all()
    saturation = frames[:, ~solid].mean(axis=1)
    assert saturation[0] < 0.05 < 0.2 < saturation[-1]


def test_times_and_physics_are_taken(solid):
    run = porecast.Run.shipped()
    frames = run.predict(solid, [0.1, 0.3])
    np.testing.assert_array_equal(frames, porecast.predict(solid, np.array([0.1, 0.3])))
    assert frames.shape == (2, 64, 32)
    assert not np.array_equal(frames, run.predict(solid, [0.1, 0.3], capillary_number=1e-3))
    assert run.physics["capillary_number"] == pytest.approx((1e-3, 3e-2), rel=0.05)
    assert (run.inlet, run.time_unit, run.times.shape) == ("top", "pore-volumes", (26,))
    assert repr(run) == "<Run 'drainage': 26 times until 0.801 pore-volumes>"


def test_integers_and_views_are_taken(solid):
    expected = porecast.predict(solid, [0.2])
    np.testing.assert_array_equal(porecast.predict(solid.astype(np.uint8), [0.2]), expected)
    wide = np.repeat(solid, 2, axis=1)
    np.testing.assert_array_equal(porecast.predict(wide[:, ::2], [0.2]), expected)
    np.testing.assert_array_equal(porecast.predict(solid.tolist(), [0.2]), expected)


def test_the_inlet_turns_the_prediction(solid):
    from_top = porecast.predict(solid, [0.3])[0]
    from_left = porecast.predict(np.rot90(solid), [0.3], inlet="left")[0]
    np.testing.assert_allclose(np.rot90(from_left, -1), from_top, atol=1e-6)


def test_what_lies_outside_the_training_is_warned_about(solid):
    with pytest.warns(UserWarning, match="capillary number 0.5 is outside 0.001 to 0.0299") as warned:
        porecast.predict(solid, [0.1], capillary_number=0.5)
        porecast.Run.shipped().predict(solid, [0.1], capillary_number=0.5)
    assert {warning.filename for warning in warned} == {__file__}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"solid": np.ones((8, 8))}, "solid: has no path from the top edge to the bottom edge"),
        ({"solid": np.ones((2, 8, 8))}, r"solid: has shape \(2, 8, 8\), expected \[y, x\]"),
        ({"solid": np.full((8, 8), 0.4)}, "solid: holds values other than 0 and 1"),
        ({"solid": np.zeros((0, 8))}, "is empty"),
        ({"times": [0.9]}, "0.9 is after 0.801, the last time of the training domains; add extrapolate=True"),
        ({"times": [-1.0]}, "-1 is not a time"),
        ({"times": 0.3}, r"times: has shape \(\), expected at least one time"),
        ({"times": []}, r"times: has shape \(0,\), expected at least one time"),
        ({"inlet": "north"}, '"north" is not top, bottom, left or right'),
        ({"contact_angle_deg": 300.0}, "contact_angle_deg: 300 is no contact angle"),
    ],
)
def test_unusable_arguments_are_value_errors(solid, change, text):
    with pytest.raises(ValueError, match=text):
        porecast.predict(**({"solid": solid} | change))


def test_late_times_can_be_asked_for(solid):
    assert porecast.predict(solid, [0.9], extrapolate=True).shape == (1, 64, 32)


def test_a_run_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        porecast.Run.load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match="empty"):
        porecast.Run.load(tmp_path / "empty")
    with pytest.raises(ValueError, match="device: \"abacus\" is unknown"):
        porecast.Run.shipped(device="abacus")


def test_python_goes_on_during_a_prediction():
    run, large = porecast.Run.shipped(), discs(256, 256)
    worker = threading.Thread(target=run.predict, args=(large,))
    worker.start()
    steps = 0
    while worker.is_alive():
        steps += 1
    assert steps > 1000
