"""Small domains, a small dataset and a small run."""

import numpy as np
import pytest

import porecast

CAMPAIGN = {
    "domains": 10,
    "height": 32,
    "width": 24,
    "voxel_size_m": 35e-6,
    "percolation": {"frames": 5, "until": {"pore_volumes": 0.5}},
    "domain": [{"generator": {"kind": "disc-pack", "porosity": 0.7, "grain_radius": 2.5, "min_gap": 1.0}}],
}


def training(dataset, **changes):
    return {
        "name": "small",
        "dataset": str(dataset),
        "model": {"unet": {"base_channels": 4, "levels": 2}},
        "loss": {"cross_entropy": 1.0},
        "training": {"epochs": 2, "batch_size": 4},
    } | changes


def discs(height=64, width=32, radius=3, spacing=10):
    """A lattice of grains [y, x]."""
    y, x = np.mgrid[:height, :width]
    shifted = x + spacing // 2 * (y // spacing % 2)
    return (y % spacing - spacing / 2) ** 2 + (shifted % spacing - spacing / 2) ** 2 < radius**2


@pytest.fixture
def solid():
    return discs()


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    return porecast.simulate(CAMPAIGN, tmp_path_factory.mktemp("data") / "small.h5", progress=None)


@pytest.fixture(scope="session")
def run(dataset, tmp_path_factory):
    return porecast.train(training(dataset), tmp_path_factory.mktemp("runs") / "small", progress=None)
