#!/usr/bin/env python3
"""Strong and weak scaling of training over processes of one thread each, as a Markdown table.

    BINDGEN_EXTRA_CLANG_ARGS="-I$(cc -print-file-name=include)" cargo build --release --features mpi
    scripts/scaling.py [--processes 1 2] [--turns 3] [--program target/release/porecast]

The network of study 1 and domains of 256x64. A step has a batch of four samples for each process (weak), or the samples of
the largest number of processes (strong). Seconds are those of an epoch of sixteen steps with its validation; the first epoch
does not count. Cases take turns, and the table has medians.
"""

import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent
BATCH, STEPS, EPOCHS = 4, 16, 4


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
    parser.add_argument("--program", type=pathlib.Path, default=target / "release/porecast")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="beginning with 1")
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    program = args.program.resolve()
    most = max(args.processes)
    cases = [(processes, batches) for processes in args.processes for batches in sorted({processes, most})]
    seconds = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        campaign = PROJECT / "configs/simulate/percolation-256x64.toml"
        run(folder, [program, "--quiet", "simulate", campaign, "-o", "data.h5", "--set", "domains=40"])
        for turn in range(args.turns):
            for processes, batches in cases:
                seconds[processes, batches].append(epoch(folder, program, processes, batches, turn))
    median = {case: statistics.median(times) for case, times in seconds.items()}
    print("| processes | samples in a step | seconds an epoch | range | weak efficiency | strong speed-up |")
    print("|---|---|---|---|---|---|")
    for (processes, batches), time in median.items():
        weak = f"{median[1, 1] / time:.2f}" if batches == processes else ""
        strong = f"{median[1, most] / time:.2f}" if batches == most else ""
        times = seconds[processes, batches]
        print(f"| {processes} | {batches * BATCH} | {time:.1f} | {min(times):.1f} to {max(times):.1f} | {weak} | {strong} |")


def epoch(folder, program, processes, batches, turn):
    """Seconds of an epoch of a training with `batches` batches in a step."""
    name = f"run-{processes}-{batches}-{turn}"
    changes = ["dataset='data.h5'", f"training.epochs={EPOCHS}", f"training.batch_size={BATCH}",
               f"training.accumulation={batches}", f"training.samples_per_epoch={BATCH * batches * STEPS}",
               "training.validation_frames=1", "training.checkpoint_seconds=100000"]
    words = [word for change in changes for word in ("--set", change)]
    train = [program, "--quiet", "--threads", "1", "train", PROJECT / "configs/invasion/study-1.toml", "-o", name, *words]
    mpirun = ["mpirun", "--oversubscribe", "--allow-run-as-root", "--bind-to", "none", "-n", str(processes)]
    run(folder, train if processes == 1 else mpirun + train)
    with open(folder / name / "metrics.csv") as file:
        times = [float(row["wall_seconds"]) for row in csv.DictReader(file)]
    return (times[-1] - times[0]) / (EPOCHS - 1)


def run(folder, words):
    subprocess.run([str(word) for word in words], cwd=folder, check=True)


if __name__ == "__main__":
    main()
