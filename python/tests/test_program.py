import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path


def porecast_program(*arguments, code=0):
    program = Path(sys.executable).with_name("porecast")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_the_wheel_brings_the_command_line(dataset):
    assert metadata.version("porecast") in porecast_program("--version")
    assert "domains          10" in porecast_program("inspect", dataset)
    assert "Usage" in porecast_program("--help")


def test_exit_codes_are_those_of_the_program():
    assert "error:" in porecast_program("inspect", "nowhere.h5", code=2)
    assert "unrecognized subcommand" in porecast_program("pedict", code=2)


def test_ctrl_c_stops_the_program(tmp_path):
    campaign = tmp_path / "slow.toml"
    campaign.write_text(
        "domains = 1\nheight = 256\nwidth = 128\nvoxel_size_m = 35e-6\nsimulator = 'lattice-boltzmann'\n"
        "lattice_boltzmann = { injection = { capillary_number = 1e-3 } }\n"
        "domain = [{ generator = { kind = 'disc-pack', porosity = 0.6, grain_radius = 9.0, min_gap = 5.0 } }]\n"
    )
    program = Path(sys.executable).with_name("porecast")
    running = subprocess.Popen([program, "simulate", campaign, "-o", tmp_path / "d.h5"], stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("d.h5.parts")):
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.1)
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=20)[1]
    assert running.returncode == 130, said
    assert "run the same command again" in said


def test_the_module_is_the_command_line():
    done = subprocess.run([sys.executable, "-m", "porecast", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("porecast ")
