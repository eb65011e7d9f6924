import signal
import time

import numpy as np
import pytest

import porecast
from conftest import discs


def test_percolation_is_the_simulator_of_the_datasets(dataset):
    with porecast.open_dataset(dataset) as stored:
        for i in range(3):
            made = porecast.percolation(stored.solid[i], frames=5, until=0.5)
            np.testing.assert_array_equal(made.phase, stored.phase[i])
            np.testing.assert_allclose(made.times, stored.time[i])


def test_a_trajectory_tells_saturation_arrival_and_breakthrough(solid):
    drainage = porecast.percolation(solid, frames=6)
    assert drainage.phase.shape == (6, 64, 32) and drainage.phase.dtype == bool
    assert drainage.time_unit == "pore-volumes"
    assert repr(drainage).startswith("<Trajectory: 6 frames of 64 x 32 pixels until ")
    assert drainage.saturation[0] == 0 and (np.diff(drainage.saturation) >= 0).all()
    np.testing.assert_allclose(drainage.saturation, drainage.times, atol=0.02)
    assert drainage.breakthrough_time == drainage.times[-1]
    arrival = drainage.arrival_time
    assert np.isnan(arrival[solid]).all()
    np.testing.assert_array_equal(arrival <= drainage.times[2], drainage.phase[2])
    for turns, inlet in enumerate(["top", "left", "bottom", "right"]):
        turned = porecast.percolation(np.rot90(solid, turns), frames=6, inlet=inlet)
        assert turned.breakthrough_time == pytest.approx(turned.times[-1])


def test_lattice_boltzmann_resolves_narrow_throats():
    solid = np.zeros((24, 12), dtype=bool)
    solid[10:14, :4] = solid[10:14, 7:] = True
    with pytest.raises(ValueError, match="3.0 pixels or 3.0 sites wide"):
        porecast.lattice_boltzmann(solid, capillary_number=0.05, frames=3, until=0.1, sites_per_pixel=1)
    assert porecast.lattice_boltzmann(solid, capillary_number=0.05, frames=3, until=0.1).phase.shape == (3, 24, 12)


def test_lattice_boltzmann_drains(solid):
    drainage = porecast.lattice_boltzmann(solid, capillary_number=0.05, frames=5, until=0.3)
    assert drainage.phase.shape == (5, 64, 32)
    np.testing.assert_allclose(drainage.times, np.linspace(0, 0.3, 5), rtol=1e-3)
    np.testing.assert_allclose(drainage.saturation, drainage.times, atol=0.03)
    assert not drainage.phase[:, solid].any()
    again = porecast.lattice_boltzmann(solid, capillary_number=0.05, frames=5, until=0.3, threads=1)
    np.testing.assert_array_equal(again.phase, drainage.phase)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda solid: porecast.percolation(solid, frames=1), "frames: 1 is outside 2, 3, ..."),
        (lambda solid: porecast.percolation(np.ones((5, 5))), "the pore space has no path from the top edge"),
        (lambda solid: porecast.percolation(solid, after_breakthrough="stop"), "is not 'hold' or 'continue'"),
        (lambda solid: porecast.lattice_boltzmann(solid, capillary_number=7), "capillary_number: 7 is outside"),
    ],
)
def test_unusable_settings_are_value_errors(solid, call, text):
    with pytest.raises(ValueError, match=text):
        call(solid)


def test_ctrl_c_stops_a_simulation_and_the_next_one_runs(solid):
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            porecast.lattice_boltzmann(discs(256, 128), capillary_number=1e-3)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 20
    assert porecast.lattice_boltzmann(solid, capillary_number=0.05, frames=3, until=0.1).phase.shape[0] == 3
