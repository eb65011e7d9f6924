import shutil

import h5py
import numpy as np
import pytest

import porecast
from conftest import CAMPAIGN
from program import run


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


def test_several_files_follow_each_other_and_are_read_when_used(dataset, tmp_path):
    more = {"seed": 7, "domains": 4}
    porecast.simulate(CAMPAIGN, tmp_path / "b.h5", set=more, progress=None)
    shutil.copy(dataset, tmp_path / "a.h5")
    with porecast.open_dataset(tmp_path / "a.h5") as a, porecast.open_dataset(tmp_path / "b.h5") as b:
        with porecast.open_dataset(str(tmp_path / "*.h5")) as both:
            assert both.sizes["domain"] == 14 and not both.phase.variable._in_memory
            assert list(both.domain_id.values) == [*a.domain_id.values, *b.domain_id.values]
            whole = np.concatenate([a.phase.values, b.phase.values])
            for key in [
                np.s_[:], 3, 12, -1, np.s_[8:12], np.s_[1::4], np.s_[::-3], np.s_[2:2], [9, 10], [13, 0, 11, 0],
                np.s_[11:, :, 4], np.s_[7:, [4, 1]], np.s_[[9, 12], 2:], np.s_[12, [0, 2], ::2],
            ]:  # fmt: skip
                np.testing.assert_array_equal(both.phase[key].values, whole[key], str(key))
            assert not both.phase.variable._in_memory
        with porecast.open_dataset([tmp_path / "b.h5", tmp_path / "a.h5"]) as listed:
            np.testing.assert_array_equal(listed.phase[0], b.phase[0])


def test_files_that_do_not_fit_together_are_refused(dataset, tmp_path):
    wide = porecast.simulate(CAMPAIGN, tmp_path / "wide.h5", set={"width": 30, "domains": 1}, progress=None)
    with pytest.raises(ValueError, match=r"wide.h5: has frames, height and width \(5, 32, 30\)"):
        porecast.open_dataset([dataset, wide])
    with pytest.raises(FileNotFoundError, match="no file has such a name"):
        porecast.open_dataset(str(tmp_path / "none-*.h5"))


def test_predictions_of_an_image_have_no_pixel_size(solid, tmp_path):
    np.save(tmp_path / "domain.npy", np.where(solid, 0, 255).astype(np.uint8))
    run(tmp_path, "predict", "domain.npy", "-o", "out")
    with porecast.open_dataset(tmp_path / "out" / "predictions.h5") as opened:
        assert opened.probability.shape == (1, 26, *solid.shape)


def test_damaged_files_are_refused_before_they_are_opened(dataset, tmp_path):
    damaged = tmp_path / "damaged.h5"
    content = bytearray(dataset.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(OSError, match="digest does not match"):
        porecast.open_dataset(damaged)
    # A file without a digest is read by a second process first, which refuses this one.
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file.attrs["format"] = "porecast-predictions"
    with pytest.raises(OSError, match="foreign.h5"):
        porecast.open_dataset(tmp_path / "foreign.h5")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        porecast.open_dataset(tmp_path / "nowhere.h5")
    h5py.File(tmp_path / "other.h5", "w").close()
    with pytest.raises(ValueError, match="other.h5: is neither a dataset"):
        porecast.open_dataset(tmp_path / "other.h5")
