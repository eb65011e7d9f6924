"""Times invasion percolation with trapping against PoreSpy's `qbip`, interleaved, single thread against single thread.

    pip install -r simulations/benches/requirements.txt
    python simulations/benches/against_porespy.py [--repeats 15]

Builds the Rust example `time_invasion` and, for each image, checks that both programs give the same sequence at
every pixel; then runs them in turn. Both are timed from the binary image to the finished sequence, distance
transform included; reading files, process start and JIT compilation are not timed. PoreSpy runs with
return_pressures=False, its cheapest setting.
"""

import argparse
import os

# Before numba is imported.
os.environ["NUMBA_NUM_THREADS"] = "1"

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import porespy

ROOT = Path(__file__).resolve().parents[2]


def build():
    subprocess.run(
        ["cargo", "build", "--release", "-p", "porecast-simulations", "--example", "time_invasion"],
        cwd=ROOT, check=True,
    )
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "examples" / "time_invasion"


def images():
    """Pore spaces (True = pore) with the inlet along the first row."""
    for shape in ([512, 128], [512, 512]):
        size = "x".join(map(str, shape))
        yield f"discs {size}", porespy.generators.overlapping_spheres(shape, r=8, porosity=0.6, seed=1)
        yield f"blobs {size}", porespy.generators.blobs(shape, porosity=0.6, blobiness=2 * shape[1] / 128, seed=1)


def qbip(pore):
    inlets, outlets = np.zeros_like(pore), np.zeros_like(pore)
    inlets[0], outlets[-1] = True, True
    start = time.perf_counter()
    sequence = porespy.simulations.qbip(
        pore, inlets=inlets, outlets=outlets, return_pressures=False
    ).im_seq
    return time.perf_counter() - start, sequence


def spread(seconds):
    low, middle, high = np.percentile(seconds, [25, 50, 75]) * 1e3
    return f"{middle:9.3f} ms [{low:.3f}, {high:.3f}]"


def compare(program, name, pore, repeats, folder):
    image, output = Path(folder, "image.npy"), Path(folder, "sequence.npy")
    np.save(image, (~pore).astype(np.uint8))
    qbip(pore)  # compiles
    _, expected = qbip(pore)
    with subprocess.Popen(
        [program, image, output], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdout.readline() == "ready\n"
        assert np.array_equal(np.load(output), expected), f"{name}: sequences differ"
        theirs, ours = [], []
        for _ in range(repeats):
            theirs.append(qbip(pore)[0])
            process.stdin.write("run\n")
            ours.append(float(process.stdout.readline()))
        process.stdin.close()
    ratios = [their / our for their, our in zip(theirs, ours)]
    low, high = np.percentile(ratios, [25, 75])
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"{name:15} PoreSpy {spread(theirs)}   porecast {spread(ours)}   ratio {ratio:.1f} [{low:.1f}, {high:.1f}]",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    porespy.settings.tqdm["disable"] = True
    porespy.settings.ncores = 1
    program = build()
    print(f"PoreSpy {porespy.__version__}; medians [quartiles] of {arguments.repeats} runs each in turn; "
          f"load average {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        for name, pore in images():
            compare(program, name, np.asarray(pore, dtype=bool), arguments.repeats, folder)
    print(f"load average {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
