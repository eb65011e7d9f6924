import h5py
import numpy as np
import pytest

import porecast


def test_dimensions_have_names_and_values_are_read_when_used(dataset):
    with porecast.open_dataset(dataset) as opened, h5py.File(dataset) as file:
        assert dict(opened.sizes) == {"domain": 10, "frame": 5, "y": 32, "x": 24}
        assert opened.phase.dims == ("domain", "frame", "y", "x")
        assert not opened.phase.variable._in_memory
        np.testing.assert_array_equal(opened.phase[3, 1:, ::2, [4, 2]].values, file["phase"][3, 1:, ::2][..., [4, 2]])
        assert not opened.phase.variable._in_memory
        assert opened.time.attrs["units"] == "pore-volumes"
        assert opened.domain_id.values[0] == file["domain_id"].asstr()[0]
        assert np.isnan(opened.capillary_number).all() and (opened.contact_angle_deg == 45).all()
        saturation = opened.phase.sum(["y", "x"]) / (1 - opened.solid).sum(["y", "x"])
        assert (saturation <= opened.time + 1e-9).all()


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        porecast.open_dataset(tmp_path / "nowhere.h5")
    h5py.File(tmp_path / "other.h5", "w").close()
    with pytest.raises(ValueError, match="other.h5: is neither a dataset"):
        porecast.open_dataset(tmp_path / "other.h5")
