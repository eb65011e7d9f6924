"""Other programs read the files: xarray and netCDF the HDF5 files, ParaView's reader XDMF, tifffile the stacks for ImageJ."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")
ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("PORECAST", ROOT / "target/release/porecast"))


def run(folder, *arguments):
    assert PROGRAM.is_file(), f"{PROGRAM} is missing; build it with `cargo build --release`"
    done = subprocess.run([PROGRAM, "--quiet", *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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
