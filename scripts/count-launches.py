#!/usr/bin/env python3
"""Counts what training steps and predictions of 26 frames ask of a GPU, as Markdown tables: those of study 1, and those of the
recurrent network that comes with porecast.

    scripts/count-launches.py [--device wgpu] [--program target/release/porecast]

Kernel launches, reserved buffers and transfers from the device come from CubeCL's log. The script fails if the launches
of study 1 exceed the goals of docs/gpu.md, or if a step waits for the device more than once. A step is the difference between a
training of three steps and one of two. The images are smaller than those of study 1 (512x128), of which a software device
cannot hold a batch; large images take some launches more, because their sums are cut into parts.
"""

import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent.parent
LOGS = """
[profiling.logger]
level = "minimal"
file = "log"
[memory.logger]
level = "full"
file = "log"
"""
SHOWN = 16
# Largest number of launches of a step and of a prediction.
GOALS = {"One training step": 500, "Prediction of 26 frames": 300}
# Two domains a step, 13 frames of each, not told the physics; predictions of one view in one resolution.
RECURRENT = ["training.batch_size=26", "also_train_on=[]", "also_rescaled_by=[]", "physics=[]",
             "split={validation=0.2,test=0.2}", "mirrored_prediction=false", "rescaled_prediction=false"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="wgpu")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
    parser.add_argument("--program", type=pathlib.Path, default=target / "release/porecast")
    parser.add_argument("--size", default="128x128", help="height x width of the images of a step")
    args = parser.parse_args()
    height, width = args.size.split("x")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "cubecl.toml").write_text(LOGS)
        program = args.program.resolve()
        device = ["--device", args.device]

        def porecast(*words):
            log = folder / "log"
            log.unlink(missing_ok=True)
            subprocess.run([program, "--quiet", *map(str, words)], cwd=folder, check=True)
            return read(log) if log.exists() else (collections.Counter(), 0, 0)

        sequences = PROJECT / "configs/smoke/simulate.toml"
        text = sequences.read_text().replace("frames = 5", "frames = 26")
        text = text.replace("height = 32", f"height = {height}").replace("width = 32", f"width = {width}")
        (folder / "simulate.toml").write_text(text)
        porecast("simulate", "simulate.toml", "-o", "data.h5")

        def step_and_prediction(name, config, samples, changes=()):
            def train(steps):
                settings = ["dataset='data.h5'", "training.epochs=1", f"training.samples_per_epoch={samples * steps}",
                            "training.validation_frames=1", "training.checkpoint_seconds=100000", *changes]
                words = [word for setting in settings for word in ("--set", setting)]
                return porecast("train", PROJECT / "configs/invasion" / config, "-o", f"{name}-{steps}", *device, *words)

            two, three = train(2), train(3)
            image = PROJECT / "configs/demo/domain.png"
            prediction = porecast("predict", "--run", f"{name}-3", image, "-o", f"{name}-out", *device)
            return (three[0] - two[0], three[1] - two[1], three[2] - two[2]), prediction

        step, prediction = step_and_prediction("time-embedded", "study-1.toml", 8)
        recurrent = step_and_prediction("recurrent", "skill/recurrent.toml", 26, RECURRENT)
        titles = [*GOALS, "One training step of the recurrent network", "Its prediction of 26 frames"]
        failed = []
        for title, counts in zip(titles, [step, prediction, *recurrent]):
            launches, buffers, reads = counts
            count = sum(launches.values())
            print(f"**{title}**: {count} launches, {buffers} reserved buffers, {reads} transfers from the device.\n")
            if count == 0:
                failed.append(f"{title}: no launches were logged")
            if count > GOALS.get(title, count):
                failed.append(f"{title}: {count} launches, the goal is {GOALS[title]}")
            print("| kernel | launches |\n|---|---|")
            for name, count in launches.most_common(SHOWN):
                print(f"| {name} | {count} |")
            print(f"| others | {sum(count for _, count in launches.most_common()[SHOWN:])} |\n")
        if args.device.startswith("wgpu") and step[2] != 1:
            failed.append(f"a step reads {step[2]} times from the device, once is enough")
        sys.exit("\n".join(failed) or None)


def read(log):
    """Launches by kernel, reserved buffers, and transfers from the device."""
    launches = collections.Counter()
    buffers, reads = 0, 0
    for line in log.read_text(errors="replace").splitlines():
        if "Executing " in line:
            launches[short(line.split("Executing ", 1)[1])] += 1
        is_buffer = "Reserved memory" in line
        is_read = is_buffer and "[Staging CPU Memory]" in line
        reads += is_read
        buffers += is_buffer and not is_read
    return launches, buffers, reads


def short(name):
    """The kernel and, for element-wise ones, its operation, without the types."""
    words = re.findall(r"[A-Za-z_0-9]+", name)
    ops = [word for word in words[1:] if word.endswith("Op") and word not in ("BinaryOp", "UnaryOp")]
    return " ".join([words[0] if words else name, *ops[:1]])


if __name__ == "__main__":
    main()
