"""Other programs read the files: xarray and netCDF the HDF5 files, ParaView's reader XDMF, tifffile the stacks for ImageJ."""

import numpy as np
import pytest

from program import ROOT, run

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with datasets and predictions of invasions and of images."""
    folder = tmp_path_factory.mktemp("files")
    few = ["--set", "domains=6"]
    run(folder, "simulate", ROOT / "configs/smoke/simulate.toml", "-o", "data.h5", *few)
    lattice = ["--set", "domains=1", "--set", "height=80", "--set", "width=40"]
    flow = ["--set", "lattice_boltzmann.keep_flow=true", "--set", "lattice_boltzmann.frames=3"]
    run(folder, "simulate", ROOT / "configs/simulate/lbm-256x64.toml", "-o", "lattice.h5", *lattice, *flow)
    train = ["--set", "training.epochs=1", "--set", "dataset=data.h5"]
    run(folder, "train", ROOT / "configs/smoke/train.toml", "-o", "run", *train)
    run(folder, "predict", "--run", "run", "data.h5", "-o", "out")
    run(folder, "synth", "mars", "-o", "data/mars", "--set", "training=8", "--set", "test=2", "--set", "outliers=1")
    mars = ROOT / "configs/segmentation/mars.toml"
    run(folder, "prepare", mars)
    tiny = ["model.unet.base_channels=4", "model.unet.levels=2", "training.epochs=1"]
    run(folder, "train", mars, "-o", "mars", *(part for key in tiny for part in ("--set", key)))
    run(folder, "predict", "--run", "mars", "data/mars.h5", "-o", "masks")
    return folder


def test_a_segmentation_run_predicts_images_as_the_program_does(folder):
    porecast = pytest.importorskip("porecast")
    model = porecast.SegmentationRun.load(folder / "mars")
    with h5py.File(folder / "data/mars.h5") as data, h5py.File(folder / "masks/predictions.h5") as predictions:
        image = data["image"][0]
        probability = model.predict(np.moveaxis(image, 0, 2))
        assert probability.shape == predictions["probability"].shape[1:] and len(model.classes) >= probability.shape[0]
        stored = predictions["probability"][0] / 65535  # as 16-bit integers
        np.testing.assert_allclose(probability, stored, atol=1e-3)
        mask = model.mask(np.moveaxis(image, 0, 2))
        assert mask.dtype == np.uint8 and (mask == predictions["mask"][0]).mean() > 0.99
        # Bytes are taken as they are in a picture.
        bytes_of = np.round(np.moveaxis(image, 0, 2) * 255).astype(np.uint8)
        assert np.abs(model.predict(bytes_of) - probability).max() < 0.1
    with pytest.raises(ValueError, match="outside 0 to 1"):
        model.predict(np.full((8, 8), 200.0))
    with pytest.raises(ValueError, match="channels"):
        model.predict(np.zeros((8, 8, 7)))
    with pytest.raises(OSError, match="porecast-segmentation-run"):
        porecast.Run.load(folder / "mars")


def test_channels_are_those_of_the_program(folder):
    _porecast = pytest.importorskip("porecast")._porecast
    names = ["pore", "distance", "depth", "percolation", "wall-distance", "wall-percolation", "thickness", "pressure", "speed"]
    config = ["--set", "training.epochs=1", "--set", "dataset=data.h5", "--set", f"inputs={names}".replace("'", '"')]
    run(folder, "train", ROOT / "configs/smoke/train.toml", "-o", "channels", *config)
    run(folder, "export", "data.h5", "--format", "npz", "--channels", "channels", "-o", "channels.npz")
    arrays = np.load(folder / "channels.npz")
    for solid, channels in zip(arrays["solid"], arrays["channels"]):
        np.testing.assert_array_equal(_porecast.channels(solid.astype(bool), names, "top"), channels)
    with pytest.raises(ValueError, match='"height" is no channel'):
        _porecast.channels(arrays["solid"][0].astype(bool), ["height"], "top")


AXES = {
    "data.h5": {"phase": ("domain_id", "frame", "y", "x"), "time": ("domain_id", "frame")},
    "lattice.h5": {
        "volume": ("domain_id", "frame", "fluid"),
        "pressure": ("domain_id", "frame", "y", "x"),
        "velocity": ("domain_id", "frame", "component", "y", "x"),
    },
    "out/predictions.h5": {"probability": ("domain_id", "frame", "y", "x"), "solid": ("domain_id", "y", "x")},
    "data/mars.h5": {"image": ("id", "channel", "y", "x"), "mask": ("id", "y", "x"), "spacing_mm": ("id", "side")},
    "masks/predictions.h5": {"probability": ("id", "class", "y", "x"), "mask": ("id", "y", "x")},
}


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
@pytest.mark.parametrize("name", AXES)
def test_xarray_names_every_axis(folder, name, engine):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip({"netcdf4": "netCDF4"}.get(engine, engine))
    with xarray.open_dataset(folder / name, engine=engine) as dataset:
        assert not [axis for axis in dataset.dims if str(axis).startswith("phony")]
        with h5py.File(folder / name) as file:
            for variable, axes in AXES[name].items():
                assert dataset[variable].dims == axes
                np.testing.assert_array_equal(dataset[variable], file[variable])


def test_a_domain_is_found_by_its_identifier_and_a_pixel_by_its_place(folder):
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(folder / "data.h5", engine="h5netcdf") as dataset, h5py.File(folder / "data.h5") as file:
        id = file["domain_id"].asstr()[2]
        found = dataset.phase.sel(domain_id=id).sel(y=3.6 * 35e-6, x=0.0, method="nearest")
        np.testing.assert_array_equal(found, file["phase"][2, :, 3, 0])


@pytest.mark.parametrize("name, frames", [("data.h5", "phase"), ("out/predictions.h5", "probability")])
def test_paraview_reads_every_frame(folder, name, frames):
    xdmf = pytest.importorskip("vtkmodules.vtkIOXdmf2")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

    grids = folder / f"paraview-{frames}"
    run(folder, "export", name, "--format", "xdmf", "-o", grids)
    with h5py.File(folder / name) as file:
        for index, id in enumerate(file["domain_id"].asstr()):
            reader = xdmf.vtkXdmfReader()
            reader.SetFileName(str(grids / f"{id}.xdmf"))
            reader.UpdateInformation()
            times = reader.GetOutputInformation(0).Get(vtkStreamingDemandDrivenPipeline.TIME_STEPS())
            assert list(times) == list(file["time"][index])
            for frame, time in enumerate(times):
                reader.UpdateTimeStep(time)
                image = reader.GetOutputDataObject(0)
                assert image.GetDimensions() == (33, 33, 2) and np.allclose(image.GetSpacing(), 35e-6)
                for array, expected in [(frames, file[frames][index, frame]), ("solid", file["solid"][index])]:
                    found = vtk_to_numpy(image.GetCellData().GetArray(array)).reshape(expected.shape)
                    np.testing.assert_array_equal(found, expected)


def test_imagej_reads_stacks_with_axes_and_pixel_size(folder):
    tifffile = pytest.importorskip("tifffile")
    run(folder, "export", "data.h5", "--format", "tiff", "-o", "stacks")
    run(folder, "export", "out/predictions.h5", "--format", "tiff", "-o", "predicted")
    with h5py.File(folder / "data.h5") as data, h5py.File(folder / "out/predictions.h5") as predictions:
        id = data["domain_id"].asstr()[1]
        labels = np.where(data["solid"][1], 0, 1 + data["phase"][1])
        row = list(predictions["domain_id"].asstr()).index(id)
        for stack, expected in [("stacks", labels), ("predicted", predictions["probability"][row])]:
            with tifffile.TiffFile(folder / stack / f"{id}.tif") as file:
                assert file.is_imagej and file.series[0].axes == "TYX"
                np.testing.assert_array_equal(file.asarray(), expected)
                assert file.imagej_metadata["unit"] == "micron"
                # ImageJ reads the first page only and takes the others to lie right behind it.
                offsets = [page.dataoffsets[0] for page in file.pages]
                assert set(np.diff(offsets)) == {file.pages[0].databytecounts[0]}
                unit = "pore volumes"
                times = data["time"][1]
                assert [float(label.removesuffix(unit)) for label in file.imagej_metadata["Labels"]] == pytest.approx(times)
                assert file.imagej_metadata["finterval"] == pytest.approx(times[1]) and file.imagej_metadata["tunit"] == unit
                pixels, microns = file.pages[0].tags["XResolution"].value
                assert microns / pixels == 35


def test_numpy_reads_every_array(folder):
    run(folder, "export", "data.h5", "--format", "npz", "-o", "data.npz")
    arrays = np.load(folder / "data.npz")
    with h5py.File(folder / "data.h5") as file:
        for name in ("solid", "phase", "time"):
            np.testing.assert_array_equal(arrays[name], file[name])
        assert list(arrays["domain_id"]) == list(file["domain_id"].asstr())
        np.testing.assert_array_equal(arrays["porosity"], file["parameters"]["porosity"])
        assert arrays["voxel_size_m"] == file.attrs["voxel_size_m"]
