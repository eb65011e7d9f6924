import signal

import numpy as np
import pytest

import porecast
from conftest import CAMPAIGN, training


def test_a_campaign_tells_what_it_does(tmp_path):
    lines = []
    path = porecast.simulate(CAMPAIGN, tmp_path / "d.h5", set={"domains": 2}, progress=lines.append)
    assert path == tmp_path / "d.h5" and path.is_file()
    assert lines[-1] == f"{path}: 2 sequences"


@pytest.mark.filterwarnings("ignore::UserWarning")  # a network of two epochs predicts wrong volumes
def test_a_training_tells_its_epochs_and_predicts(dataset, tmp_path, solid):
    lines = []
    path = porecast.train(training(dataset), tmp_path / "run", progress=lines.append)
    assert any("epoch   1/2" in line for line in lines) and lines[-1] == f"trained: {path}"
    run = porecast.Run.load(path)
    assert run.predict(solid, run.times).shape == (5, 64, 32)
    assert run.physics == {}


def test_a_training_begins_with_the_weights_of_a_run(dataset, run, tmp_path):
    tuned = porecast.train(training(dataset), tmp_path / "tuned", init=run, progress=None)
    assert str(run) in (tuned / "run.json").read_text()
    with pytest.raises((ValueError, OSError), match="nowhere"):
        porecast.train(training(dataset), tmp_path / "none", init=tmp_path / "nowhere", progress=None)


def test_a_configuration_file_is_taken(dataset, tmp_path):
    file = tmp_path / "train.toml"
    file.write_text(
        f"name = 'file'\ndataset = {str(dataset)!r}\nmodel.unet = {{ base_channels = 4, levels = 2 }}\n"
        "loss.cross_entropy = 1.0\ntraining = { epochs = 9, batch_size = 4 }\n"
    )
    run = porecast.train(file, tmp_path / "run", set={"training.epochs": 1}, progress=None)
    assert "epochs = 1" in (run / "config.toml").read_text()


def test_problems_are_exceptions_of_their_kind(dataset, run, tmp_path):
    with pytest.raises(ValueError, match="there is no such key; did you mean `height`"):
        porecast.simulate(CAMPAIGN | {"hight": 3}, tmp_path / "d.h5")
    with pytest.raises(FileNotFoundError, match="nowhere.toml"):
        porecast.simulate(tmp_path / "nowhere.toml", tmp_path / "d.h5")
    with pytest.raises(FileNotFoundError, match="nowhere.h5"):
        porecast.train(training(tmp_path / "nowhere.h5"), tmp_path / "run")
    with pytest.raises(FileExistsError, match="force=True"):
        porecast.train(training(dataset), run)
    with pytest.raises(ValueError, match="None is no value"):
        porecast.simulate(CAMPAIGN | {"seed": None}, tmp_path / "d.h5")


def stopped(*arguments, at="epoch   1/"):
    """A training that Ctrl-C stops after its first epoch."""

    def interrupt(line):
        if at in line:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="resume=True"):
        porecast.train(*arguments, progress=interrupt)


def test_a_stopped_training_goes_on_to_the_same_bytes(dataset, tmp_path):
    config = training(dataset, training={"epochs": 6, "batch_size": 4})
    stopped(config, tmp_path / "stopped")
    again = porecast.train(config, tmp_path / "stopped", resume=True, progress=None)
    whole = porecast.train(config, tmp_path / "whole", progress=None)
    assert (again / "best.safetensors").read_bytes() == (whole / "best.safetensors").read_bytes()


def test_an_exception_in_progress_stops_the_training(dataset, tmp_path):
    def fail(line):
        raise LookupError(line)

    config = training(dataset, training={"epochs": 200, "batch_size": 4})
    with pytest.raises(LookupError):
        porecast.train(config, tmp_path / "run", progress=fail)
    assert (signal.getsignal(signal.SIGINT)) is signal.default_int_handler


def test_one_training_at_a_time(dataset, tmp_path):
    def another(line):
        porecast.simulate(CAMPAIGN, tmp_path / "d.h5")

    with pytest.raises(RuntimeError, match="another simulation or training runs"):
        porecast.train(training(dataset, training={"epochs": 200, "batch_size": 4}), tmp_path / "run", progress=another)


@pytest.mark.filterwarnings("ignore::UserWarning")  # a network of two epochs predicts wrong volumes
def test_predictions_agree_with_the_command_line(dataset, run, tmp_path):
    from test_program import porecast_program

    porecast_program("--quiet", "predict", "--run", run, dataset, "-o", tmp_path / "out")
    predictor = porecast.Run.load(run)
    with porecast.open_dataset(tmp_path / "out" / "predictions.h5") as predicted:
        for i in range(2):
            frames = predictor.predict(predicted.solid[i], predicted.time[i].values)
            np.testing.assert_array_equal(frames, predicted.probability[i])
