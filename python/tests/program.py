"""The program `porecast`: `target/release/porecast`, or its path in the variable PORECAST."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("PORECAST", ROOT / "target/release/porecast"))


def run(folder, *arguments):
    """Runs a command in a folder."""
    assert PROGRAM.is_file(), f"{PROGRAM} is missing; build it with `cargo build --release`"
    done = subprocess.run([PROGRAM, "--quiet", *map(str, arguments)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
