"""Times stain normalisation and the auto-augmentation on 1716x942 RGB against albumentations, torchvision and NumPy.

    pip install -r crates/imaging/benches/requirements.txt
    python crates/imaging/benches/against_albumentations.py [--repeats 15] [--threads 2]

Builds the Rust example `time_imaging`; for each operation checks how far the results are apart, then runs all programs
in turn. Everything is timed from an image in memory to an image in memory, in the layout that each program takes:
porecast f32 [c, y, x], torchvision uint8 tensors [c, y, x], albumentations and NumPy uint8 [y, x, c]. torchvision and
albumentations move pixels with bilinear interpolation, as porecast does.

"macenko" is the whole normalisation in porecast and NumPy (the usual NumPy program, in float64). albumentations has
no normalisation; its HEStain(method="macenko") finds the stains in the same way and then scales their concentrations
at random, nearly the same work. Its random state is fixed.
"policy" is every step of the 25 ImageNet sub-policies, one after another, without chance; torchvision's Sharpness step
is left out.
"""

import argparse
import math
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HEIGHT, WIDTH = 942, 1716
REFERENCE_VECTORS = [[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]]
REFERENCE_STRENGTH = [1.9705, 1.0308]


def slide(np, cv2):
    """A made-up slide: nuclei in a fibrous ground with bare glass between."""
    random = np.random.default_rng(7)

    def blobs(scale):
        noise = random.standard_normal((HEIGHT, WIDTH)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), scale)
        return (smooth - smooth.mean()) / smooth.std()

    tissue = np.clip(blobs(60) + 0.8, 0, 1)
    eosin = tissue * np.clip(0.5 + 0.25 * blobs(4) + 0.1 * blobs(15), 0.05, None)
    haematoxylin = tissue * (0.08 + 1.3 * np.clip(2 * (blobs(5) - 1.0), 0, 1))
    vectors = np.array([[0.65, 0.70, 0.29], [0.15, 0.95, 0.25]])
    density = np.stack([haematoxylin, eosin], -1) @ vectors
    levels = 240 * np.exp(-density) + 1.5 * random.standard_normal((HEIGHT, WIDTH, 3))
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def numpy_macenko(np, image, alpha=1, beta=0.15, transmitted=240):
    density = -np.log((image.reshape(-1, 3).astype(np.float64) + 1) / transmitted)
    tissue = density[~np.any(density < beta, axis=1)]
    _, vectors = np.linalg.eigh(np.cov(tissue.T))
    plane = vectors[:, 1:]
    plane = plane * np.sign(tissue.mean(0) @ plane)
    projected = tissue @ plane
    angles = np.arctan2(projected[:, 1], projected[:, 0])
    ends = np.percentile(angles, [alpha, 100 - alpha])
    low, high = (plane @ np.array([np.cos(end), np.sin(end)]) for end in ends)
    stains = np.array([low, high] if low[0] > high[0] else [high, low]).T
    concentrations = np.linalg.lstsq(stains, density.T, rcond=None)[0]
    strength = np.percentile(concentrations, 99, axis=1)
    concentrations *= (np.array(REFERENCE_STRENGTH) / strength)[:, None]
    levels = transmitted * np.exp(-np.array(REFERENCE_VECTORS) @ concentrations) - 1
    return np.clip(np.round(levels.T), 0, 255).astype(np.uint8).reshape(image.shape)


class Program:
    """The Rust example, kept running."""

    def __init__(self, image, folder):
        subprocess.run(["cargo", "build", "--release", "-p", "porecast-imaging", "--example", "time_imaging"],
                       cwd=ROOT, check=True)
        path = Path(folder, "image.raw")
        path.write_bytes(HEIGHT.to_bytes(4, "little") + WIDTH.to_bytes(4, "little") + image.tobytes())
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        self.process = subprocess.Popen([target / "release/examples/time_imaging", path, folder],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.answer() == "ready"

    def answer(self):
        return self.process.stdout.readline().strip()

    def seconds(self, name):
        self.process.stdin.write(f"{name}\n")
        return tuple(map(float, self.answer().split()))

    def result(self, np, name):
        self.process.stdin.write(f"write {name}\n")
        return np.fromfile(self.answer(), np.uint8).reshape(HEIGHT, WIDTH, 3)


def torchvision_operation(F, torch, name, strength):
    bilinear = F.InterpolationMode.BILINEAR

    def affine(angle=0.0, translate=(0, 0), shear=(0.0, 0.0)):
        return lambda image: F.affine(image, angle, list(translate), 1.0, list(shear), bilinear)

    degrees = -math.degrees(math.atan(strength)) if name.startswith("shear") else 0.0
    return {
        "brightness": lambda image: F.adjust_brightness(image, strength),
        "color": lambda image: F.adjust_saturation(image, strength),
        "contrast": lambda image: F.adjust_contrast(image, strength),
        "auto-contrast": F.autocontrast,
        "invert": F.invert,
        "equalize": F.equalize,
        "solarize": lambda image: F.solarize(image, 255 * strength),
        "posterize": lambda image: F.posterize(image, int(strength)),
        "rotate": lambda image: F.rotate(image, strength, bilinear),
        "translate-x": affine(translate=(int(strength * WIDTH), 0)),
        "translate-y": affine(translate=(0, int(strength * HEIGHT))),
        "shear-x": affine(shear=(degrees, 0.0)),
        "shear-y": affine(shear=(0.0, degrees)),
    }[name]


def albumentations_operation(A, cv2, name, strength):
    """The transform with the same parameters, where albumentations has one."""
    inside = {"interpolation": cv2.INTER_LINEAR, "p": 1}
    degrees = math.degrees(math.atan(strength)) if name.startswith("shear") else 0.0
    transform = {
        "brightness": lambda: A.ColorJitter((strength,) * 2, (1, 1), (1, 1), (0, 0), p=1),
        "color": lambda: A.ColorJitter((1, 1), (1, 1), (strength,) * 2, (0, 0), p=1),
        "contrast": lambda: A.ColorJitter((1, 1), (strength,) * 2, (1, 1), (0, 0), p=1),
        "auto-contrast": lambda: A.AutoContrast(method="pil", p=1),
        "invert": lambda: A.InvertImg(p=1),
        "equalize": lambda: A.Equalize(mode="pil", by_channels=True, p=1),
        "solarize": lambda: A.Solarize((strength,) * 2, p=1),
        "posterize": lambda: A.Posterize(int(strength), p=1),
        "rotate": lambda: A.Affine(rotate=(strength,) * 2, **inside),
        "translate-x": lambda: A.Affine(translate_px={"x": (int(strength * WIDTH),) * 2, "y": (0, 0)}, **inside),
        "translate-y": lambda: A.Affine(translate_px={"x": (0, 0), "y": (int(strength * HEIGHT),) * 2}, **inside),
        "shear-x": lambda: A.Affine(shear={"x": (-degrees,) * 2, "y": (0, 0)}, **inside),
        "shear-y": lambda: A.Affine(shear={"x": (0, 0), "y": (-degrees,) * 2}, **inside),
    }[name]()
    return lambda image: transform(image=image)["image"]


STRENGTHS = {
    "brightness": 1.4, "color": 1.4, "contrast": 1.4, "auto-contrast": 0, "invert": 0, "equalize": 0, "solarize": 0.5,
    "posterize": 4, "rotate": 20.0, "translate-x": 0.2, "translate-y": 0.2, "shear-x": 0.2, "shear-y": 0.2,
}
CAMEL = {"Posterize": "posterize", "Rotate": "rotate", "Solarize": "solarize", "AutoContrast": "auto-contrast",
         "Equalize": "equalize", "Invert": "invert", "Color": "color", "Contrast": "contrast", "ShearX": "shear-x"}


def torchvision_policy(T, F, torch):
    augmenter = T.AutoAugment(T.AutoAugmentPolicy.IMAGENET)
    space = augmenter._augmentation_space(10, (HEIGHT, WIDTH))
    steps = []
    for name, _, level in (step for steps in augmenter.policies for step in steps):
        if name == "Sharpness":
            continue
        magnitude = float(space[name][0][level]) if level is not None else 0.0
        if name in ("Color", "Contrast"):
            magnitude += 1.0
        if name == "Solarize":
            magnitude /= 255
        steps.append(torchvision_operation(F, torch, CAMEL[name], magnitude))

    def run(image):
        for step in steps:
            image = step(image)
        return image

    return run


def spread(times):
    seconds, processor = zip(*times)
    ordered = sorted(seconds)
    low, high = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
    return f"{statistics.median(seconds) * 1e3:8.1f} [{low * 1e3:.1f}, {high * 1e3:.1f}] cpu {statistics.median(processor) * 1e3:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--slide", help="write the made-up slide to this PNG")
    arguments = parser.parse_args()
    for library in ["OMP", "OPENBLAS", "MKL", "RAYON"]:
        os.environ[f"{library}_NUM_THREADS"] = str(arguments.threads)

    # After the numbers of threads are set.
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as A
    import cv2
    import numpy as np
    import torch
    import torchvision
    import torchvision.transforms as T
    import torchvision.transforms.functional as F

    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    image = slide(np, cv2)
    if arguments.slide:
        cv2.imwrite(arguments.slide, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    tensor = torch.from_numpy(image).permute(2, 0, 1).contiguous()
    stain = A.HEStain(method="macenko", augment_background=True, p=1)

    cases = [("macenko", "macenko", {
        "NumPy": (lambda image: numpy_macenko(np, image), image),
        "albumentations": (lambda image: stain(image=image)["image"], image),
    })]
    for name, strength in STRENGTHS.items():
        cases.append((name, f"{name} {strength}", {
            "torchvision": (torchvision_operation(F, torch, name, strength), tensor),
            "albumentations": (albumentations_operation(A, cv2, name, strength), image),
        }))
    cases.append(("policy", "policy", {"torchvision": (torchvision_policy(T, F, torch), tensor)}))

    def timed(work, argument):
        start, worked = time.perf_counter(), time.process_time()
        work(argument)
        return time.perf_counter() - start, time.process_time() - worked

    def apart(ours, theirs):
        theirs = theirs.permute(1, 2, 0).numpy() if isinstance(theirs, torch.Tensor) else theirs
        difference = np.abs(ours.astype(int) - theirs.astype(int))
        return f"{difference.mean():.2f}"

    print(f"albumentations {A.__version__}, OpenCV {cv2.__version__}, torchvision {torchvision.__version__}, NumPy "
          f"{np.__version__}\n{WIDTH}x{HEIGHT} RGB, {arguments.threads} threads, {arguments.repeats} runs in turn, load "
          f"average {os.getloadavg()[0]:.2f}\nmilliseconds: median [quartiles] by the clock, median of processor time; "
          "their times over porecast's; mean difference of results in units of 1/255\n")
    with tempfile.TemporaryDirectory() as folder:
        program = Program(image, folder)
        for name, command, others in cases:
            ours_result = program.result(np, command)
            # The first run of each is not counted.
            distances = {other: apart(ours_result, work(argument)) for other, (work, argument) in others.items()}
            ours, theirs = [], {other: [] for other in others}
            for _ in range(arguments.repeats):
                ours.append(program.seconds(command))
                for other, (work, argument) in others.items():
                    theirs[other].append(timed(work, argument))
            line = f"{name:14} porecast {spread(ours):36}"
            for other, seconds in theirs.items():
                by_clock, by_processor = (
                    statistics.median(column) / statistics.median(own)
                    for column, own in zip(zip(*seconds), zip(*ours)))
                line += (f"  {other} {spread(seconds):36} x{by_clock:<4.1f} cpu x{by_processor:<4.1f} "
                         f"apart {distances[other]:6}")
            print(line, flush=True)
        program.process.stdin.close()
        program.process.wait()
    print(f"load average {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
