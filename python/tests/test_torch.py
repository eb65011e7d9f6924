"""The PyTorch twin predicts what the program predicts, for every architecture; so does its ONNX export.

Needs the program (`tests/program.py`) and the packages of `tests/requirements-torch.txt`.
"""

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import porecast.torch
from program import ROOT, run

TOLERANCE = 1e-5

UNET = ["model.unet.base_channels=4", "model.unet.levels=2"]
VIT = ["model.architecture=vit", "model.vit={patch=8,width=16,depth=2,heads=2}"]
SEQUENCE = ["conditioning={sequence={knots=4}}"]
PHYSICS = ['physics=["porosity","contact-angle","viscosity-ratio"]']
CHANNELS = ['inputs=["pore","depth","distance","wall-distance","percolation","wall-percolation","thickness","pressure","speed"]']
ENCODER = ["model.unet.levels=5", 'model.time.enters=["decoder"]', "model.unet.upsampling=nearest"]


def encoder(kind):
    return [*UNET, *ENCODER, f"model.unet.encoder.kind={kind}"]


ARCHITECTURES = {
    "time": UNET,
    "single-frame": [*UNET, "conditioning={single-frame=[3,1]}"],
    "sequence": [*UNET, *SEQUENCE],
    "physics": [*UNET, *PHYSICS],
    "sequence-physics-mirrored": [*UNET, *SEQUENCE, *PHYSICS, "mirrored_prediction=true"],
    "recurrent-physics": [*UNET, *PHYSICS, "model.unet.levels=4", "conditioning={recurrent={knots=4,channels=8}}"],
    "channels": [*UNET, *CHANNELS],
    "regression": [*UNET, "head=regression", "loss={mse=1.0}"],
    "attention": [*UNET, "model.unet.attention={enabled=true,heads=2}"],
    "attention-without-positions": [*UNET, 'model.unet.attention={enabled=true,heads=2,positional="none"}'],
    "time-everywhere-added": [*UNET, 'model.time={enters=["encoder","bottleneck","decoder"],mode="add",channels=8}'],
    "time-encoder-physics": [*UNET, *PHYSICS, 'model.time={enters=["encoder"],mode="scale-and-shift",channels=8}'],
    "group-norm-nearest": [*UNET, "model.unet.norm=group", "model.unet.upsampling=nearest", "model.unet.base_channels=8"],
    "added-skips-residual-silu": [*UNET, "model.unet.skips=add", "model.unet.residual=true", "model.unet.activation=silu"],
    "multiplied-skips-mish": [*UNET, "model.unet.skips=multiply", "model.unet.activation=mish"],
    "atrous-leaky": [*UNET, 'model.unet.context={kind="atrous",dilations=[1,2]}', "model.unet.activation=leaky-relu"],
    "pyramid": [*UNET, 'model.unet.context={kind="aspp",dilations=[1,3]}'],
    "global": [*UNET, "model.unet.global={enabled=true,depth=1,heads=2}"],
    "global-time-encoder": [
        *UNET,
        "model.unet.global={enabled=true,depth=1,heads=2}",
        'model.time={enters=["encoder","decoder"],mode="add",channels=8}',
    ],
    "resnet18": encoder("resnet18"),
    "resnet50-global": [*encoder("resnet50"), "model.unet.global={enabled=true,depth=1,heads=2}"],
    "efficientnet-b0": encoder("efficientnet-b0"),
    "efficientnet-b3-added-skips": [*encoder("efficientnet-b3"), "model.unet.skips=add"],
    "vit": VIT,
    "vit-sequence-physics": [*VIT, *SEQUENCE, *PHYSICS],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a dataset of domains whose height and width no network divides."""
    folder = tmp_path_factory.mktemp("runs")
    size = ["--set", "height=37", "--set", "width=30", "--set", "domains=6"]
    run(folder, "simulate", ROOT / "configs/smoke/simulate.toml", "-o", "data.h5", *size)
    return folder


@pytest.fixture(scope="module", params=ARCHITECTURES)
def case(request, folder):
    """A run of each architecture, and what the program predicts with it."""
    name = request.param
    # Large steps, so that the outputs differ from pixel to pixel and from time to time.
    training = ["training.epochs=4", "training.samples_per_epoch=32", "optimizer.learning_rate=0.02"]
    small = [*training, "dataset=data.h5", f"name={name}"]
    sets = [part for key in [*small, *ARCHITECTURES[name]] for part in ("--set", key)]
    run(folder, "train", ROOT / "configs/smoke/train.toml", "-o", name, *sets)
    yield predicted(folder, name, "data.h5", "--part", "test")
    shutil.rmtree(folder / name)  # some have hundreds of megabytes


def predicted(folder, name, data, *options):
    """The twin of a run, the program's predictions and input channels for some domains, and their parameters."""
    out = folder / f"{name}-out"
    run(folder, "predict", "--run", name, data, "-o", out, *options)
    run(folder, "export", out / "predictions.h5", "--format", "npz", "--channels", name, "-o", out / "predictions.npz")
    run(folder, "export", data, "--format", "npz", "-o", out / "data.npz")
    return porecast.torch.load(folder / name), np.load(out / "predictions.npz"), np.load(out / "data.npz")


def inputs(model, arrays, data):
    """Channels, times and physics of the predicted domains."""
    physics = None
    if model.quantities:
        rows = [list(data["domain_id"]).index(id) for id in arrays["domain_id"]]
        names = {"contact-angle": "contact_angle_deg"}
        columns = [data[names.get(name, name.replace("-", "_"))][rows] for name in model.quantities]
        physics = torch.from_numpy(np.stack(columns, 1))
    times = None if model.is_single_frame else torch.from_numpy(arrays["time"])
    return torch.from_numpy(arrays["channels"]), times, physics


def assert_equal(found, arrays):
    """Equal in pores that fluid can enter; elsewhere the program sets 0."""
    expected = arrays["probability"]
    assert found.shape == expected.shape
    open_pores = (expected != 0).any(1, keepdims=True)
    assert open_pores.mean() > 0.4
    in_pores = np.moveaxis(expected, 1, 3)[open_pores[:, 0]]
    assert np.ptp(in_pores, 0).max() > 0.02, "a flat prediction would agree by itself"
    assert np.abs(np.where(open_pores, found, 0) - expected).max() < TOLERANCE


@torch.no_grad()
def test_twin_predicts_what_the_program_predicts(case):
    model, arrays, data = case
    assert_equal(model(*inputs(model, arrays, data)).numpy(), arrays)


def test_channels_are_those_of_the_program(case):
    model, arrays, _ = case
    for index, name in enumerate(model.inputs):
        for solid, channels in zip(arrays["solid"], arrays["channels"]):
            own = porecast.torch.channels(solid, [name], model.inlet)[0]
            np.testing.assert_array_equal(own, channels[index], name)


def test_gradient_reaches_every_weight_that_matters(case):
    model, arrays, data = case
    model.logits(*inputs(model, arrays, data)).square().mean().backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None]
    model.zero_grad(set_to_none=True)
    assert without == []


@torch.no_grad()
def test_onnx_predicts_what_the_program_predicts_and_any_size(case, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model, arrays, data = case
    names = ["channels", "times", "physics"]
    given = {name: tensor for name, tensor in zip(names, inputs(model, arrays, data)) if tensor is not None}
    # Two domains, because the exporter takes a length of 1 as fixed.
    example = {name: torch.cat([tensor, tensor]) for name, tensor in given.items()}
    any_length = {"channels": (0, 2, 3), "times": (0, 1), "physics": (0,)}
    if getattr(model.networks[0], "recurrence", None) is not None:
        # The number of steps is that of the height that the network is exported with.
        any_length["channels"] = (0, 3)
    shapes = {name: {axis: torch.export.Dim.DYNAMIC for axis in any_length[name]} for name in given}
    path = tmp_path / "model.onnx"
    torch.onnx.export(
        model, kwargs=example, f=path, input_names=list(given), dynamic_shapes=shapes, dynamo=True, verbose=False
    )
    session = onnxruntime.InferenceSession(path)

    def predict(tensors):
        return session.run(None, {name: tensor.numpy() for name, tensor in tensors.items()})[0]

    assert_equal(predict(given), arrays)
    height = 50 if 2 in any_length["channels"] else given["channels"].shape[2]
    other = {**given, "channels": torch.rand(len(given["channels"]), len(model.inputs), height, 45)}
    assert np.abs(predict(other) - model(**other).numpy()).max() < TOLERANCE


def test_physics_is_told_as_in_the_training():
    config = {
        "head": "regression",
        "conditioning": {"sequence": {"knots": 2}},
        "model": {"architecture": "vit", "time": {"channels": 4}, "vit": {"patch": 4, "width": 8, "depth": 1, "heads": 1}},
    }
    scales = [("capillary-number", 1e-3, 1e-1), ("contact-angle", 30.0, 90.0), ("viscosity-ratio", 0.1, 0.1)]
    physics = [
        {"quantity": name, "mean": 0.5, "standard_deviation": 2.0, "least": least, "most": most}
        for name, least, most in scales
    ]
    dataset = {"inlet": "top", "physics": physics, "time_scale": 1.0, "mean_times": [0.0, 1.0]}
    model = porecast.torch.Model(config, {"dataset": dataset, "members": [{"frame": None}]})
    told = model._tell(torch.tensor([[1e-2, 60.0, 0.2]]))[0].tolist()
    # A quantity on which all training domains agree is told as 0.
    assert told == pytest.approx([(np.log(1e-2) - 0.5) / 2, (0.5 - 0.5) / 2, 0.0], abs=1e-6)


@torch.no_grad()
def test_shipped_model_predicts_what_the_program_predicts(tmp_path):
    data = ROOT / "simulations/datasets/physics-256x64/faster.h5"
    (tmp_path / "drainage").symlink_to(ROOT / "models/drainage")
    model, arrays, data = predicted(tmp_path, "drainage", data, "--rescale", "1")
    channels, times, physics = inputs(model, arrays, data)
    few = slice(0, 3)
    found = model(channels[few], times[few], physics[few]).numpy()
    expected = arrays["probability"][few]
    # The program alone holds back what would exceed the injected volume.
    pores = channels[few, :1].numpy() == 1
    saturation = (found * pores).sum((2, 3)) / pores.sum((2, 3))
    held = np.maximum.accumulate(saturation, 1) > saturation[:, :1] + arrays["time"][few] - 1e-3
    assert (~held).mean() > 0.2
    found[held] = expected[held]
    assert_equal(found, {"probability": expected})


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no run.json"):
        porecast.torch.load(tmp_path)
