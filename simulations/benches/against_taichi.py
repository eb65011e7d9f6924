"""Times the two-phase lattice Boltzmann step against the same step in Taichi, in turn, on the same domains.

    pip install -r simulations/benches/requirements-taichi.txt
    python simulations/benches/against_taichi.py [--repeats 15] [--single]

Taichi has no two-phase solver of its own, so this is ours written for it in the usual way: collision, tension, recolouring
and streaming of total populations and the share of one fluid, D2Q9, multiple relaxation times, one kernel per sweep, two
copies of the populations that exchange their roles, loops over all sites, walls by half-way bounce-back in the pull, neutral
wetting (less work than the Rust solver's, which turns the normals at walls and carries rounding along). f32, fast math, one
thread and two. `--single` leaves out all but single-phase collision and streaming on its side.

First it runs the Rust bench, which measures the limits of the machine; then it builds the example `time_two_phase` and lets
both programs run in turn, so that other work on the machine falls on both.
"""

import argparse
import os

# Before Taichi is imported.
os.environ["TI_LOG_LEVEL"] = "error"
os.environ["ENABLE_TAICHI_HEADER_PRINT"] = "0"

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import taichi as ti

ROOT = Path(__file__).resolve().parents[2]
W = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4, dtype=np.float32)
EX = [0, 1, 0, -1, 0, 1, -1, -1, 1]
EY = [0, 0, 1, 0, -1, 1, 1, -1, -1]
OPPOSITE = [0, 3, 4, 1, 2, 7, 8, 5, 6]


def disc_pack(height, width, porosity=0.6, radius=8.0, seed=7):
    """Discs thrown at random until the porosity is met; a frame of wall around."""
    rng = np.random.default_rng(seed)
    solid = np.zeros((height, width), bool)
    y, x = np.mgrid[:height, :width]
    while solid.mean() < 1 - porosity:
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        solid |= np.hypot(y - cy, x - cx) < rng.normal(radius, 2.0)
    return np.pad(solid, 1, constant_values=True)


def build(solid, single):
    height, width = solid.shape
    wall = ti.field(ti.u8, (height, width))
    wall.from_numpy(solid.astype(np.uint8))
    # Structure of arrays: one field for each population.
    populations = [[ti.field(ti.f32, (height, width)) for _ in range(9)] for _ in range(2)]
    shares = [ti.field(ti.f32, (height, width)) for _ in range(2)]
    nx, ny, steep = (ti.field(ti.f32, (height, width)) for _ in range(3))
    vx, vy = ti.field(ti.f32, (height, width)), ti.field(ti.f32, (height, width))
    shares[0].from_numpy(np.where(solid, 0, np.arange(height)[:, None] < height // 3).astype(np.float32))
    sweeps = [
        kernels(solid.shape, wall, single, (nx, ny, steep), (vx, vy), populations[k], populations[1 - k], shares[k], shares[1 - k])
        for k in (0, 1)
    ]

    def two_steps():
        for interface, collide, stream in sweeps:
            if not single:
                interface()
            collide()
            stream()

    mass = lambda: float(shares[0].to_numpy()[~solid].sum())
    return two_steps, mass


def kernels(shape, wall, single, interface_fields, gathering, f, g, share, shared):
    """The sweeps of one step, from the populations f and the share to g and shared."""
    nx, ny, steep = interface_fields
    vx, vy = gathering

    @ti.kernel
    def interface():
        for y, x in wall:
            if wall[y, x] == 0:
                gx, gy = 0.0, 0.0
                for i in ti.static(range(1, 9)):
                    # A neutral wall has the value of the site beside it.
                    c = share[y + EY[i], x + EX[i]]
                    if wall[y + EY[i], x + EX[i]] == 1:
                        c = share[y, x]
                    gx += 3.0 * float(W[i]) * EX[i] * c
                    gy += 3.0 * float(W[i]) * EY[i] * c
                length = ti.sqrt(gx * gx + gy * gy)
                keep = 0.0
                if length > 2e-6:
                    keep = 1.0 / length
                nx[y, x], ny[y, x], steep[y, x] = gx * keep, gy * keep, length

    @ti.kernel
    def collide():
        for y, x in wall:
            if wall[y, x] == 0:
                fx, fy = 0.0, 0.0
                c = share[y, x]
                if ti.static(not single):
                    if steep[y, x] > 0.0:
                        xx, xy, yx, yy = 0.0, 0.0, 0.0, 0.0
                        for i in ti.static(range(1, 9)):
                            w = 3.0 * float(W[i])
                            xx += w * EX[i] * nx[y + EY[i], x + EX[i]]
                            xy += w * EY[i] * nx[y + EY[i], x + EX[i]]
                            yx += w * EX[i] * ny[y + EY[i], x + EX[i]]
                            yy += w * EY[i] * ny[y + EY[i], x + EX[i]]
                        a, b = nx[y, x], ny[y, x]
                        kappa = a * b * (xy + yx) - a * a * yy - b * b * xx
                        fx, fy = 0.01 * kappa * steep[y, x] * a, 0.01 * kappa * steep[y, x] * b
                h = ti.Vector([f[i][y, x] for i in range(9)])
                density = h.sum()
                jx = h[1] - h[3] + h[5] - h[6] - h[7] + h[8]
                jy = h[2] - h[4] + h[5] + h[6] - h[7] - h[8]
                sides, corners = h[1] + h[2] + h[3] + h[4], h[5] + h[6] + h[7] + h[8]
                e = 2 * corners - sides - 4 * h[0]
                eps = corners - 2 * sides + 4 * h[0]
                qx = h[5] - h[6] - h[7] + h[8] - 2 * (h[1] - h[3])
                qy = h[5] + h[6] - h[7] - h[8] - 2 * (h[2] - h[4])
                pxx, pxy = h[1] + h[3] - h[2] - h[4], h[5] + h[7] - h[6] - h[8]
                inverse = 1.0 / (1.0 + density)
                mx, my = jx + 0.5 * fx, jy + 0.5 * fy
                ux, uy = mx * inverse, my * inverse
                fluidity = 6.0 + c * 54.0
                s = fluidity / (0.5 * fluidity + 3.0)
                sq = 16.0 / (fluidity + 8.0)
                kinetic = 3.0 * (mx * ux + my * uy)
                work = 6.0 * (1 - 0.625) * (ux * fx + uy * fy)
                e += 1.25 * (kinetic - 2 * density - e) + work
                eps += 1.25 * (density - kinetic - eps) - work
                qx += -sq * (mx + qx - 0.5 * fx) - fx
                qy += -sq * (my + qy - 0.5 * fy) - fy
                pxx += s * (mx * ux - my * uy - pxx) + 2 * (1 - 0.5 * s) * (ux * fx - uy * fy)
                pxy += s * (mx * uy - pxy) + (1 - 0.5 * s) * (ux * fy + uy * fx)
                jx, jy = jx + fx, jy + fy
                mean = density / 9
                f[0][y, x] = mean - (e - eps) / 9
                for i in ti.static(range(1, 5)):
                    f[i][y, x] = (
                        mean - (e + 2 * eps) / 36 + (EX[i] * (jx - qx) + EY[i] * (jy - qy)) / 6
                        + (EX[i] * EX[i] - EY[i] * EY[i]) * pxx / 4
                    )
                for i in ti.static(range(5, 9)):
                    f[i][y, x] = (
                        mean + (2 * e + eps) / 36 + (EX[i] * (2 * jx + qx) + EY[i] * (2 * jy + qy)) / 12
                        + EX[i] * EY[i] * pxy / 4
                    )
                if ti.static(not single):
                    amount = 0.7 * (1.0 + density) * c * (1.0 - c)
                    vx[y, x], vy[y, x] = amount * nx[y, x], amount * ny[y, x]

    @ti.kernel
    def stream():
        for y, x in wall:
            if wall[y, x] == 0:
                density, change = 1.0, 0.0
                c = share[y, x]
                for i in ti.static(range(9)):
                    sy, sx = y - EY[i], x - EX[i]
                    if wall[sy, sx] == 1:
                        h = f[OPPOSITE[i]][y, x]
                        g[i][y, x] = h
                        if ti.static(not single):
                            density += h
                            change -= float(W[i]) * (EX[i] * vx[y, x] + EY[i] * vy[y, x])
                    else:
                        h = f[i][sy, sx]
                        g[i][y, x] = h
                        if ti.static(not single):
                            density += h
                            change += (share[sy, sx] - c) * (h + float(W[i]))
                            change += float(W[i]) * (EX[i] * vx[sy, sx] + EY[i] * vy[sy, sx])
                if ti.static(not single):
                    shared[y, x] = c + change / density

    return interface, collide, stream


def two_phase(solid, single, seconds):
    """A function that runs for some seconds and returns updates of pore sites per second."""
    two_steps, mass = build(solid, single)
    before, pores = mass(), int((~solid).sum())
    for _ in range(10):
        two_steps()
    ti.sync()

    def run():
        begun, steps = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            for _ in range(5):
                two_steps()
            ti.sync()
            steps += 10
        return pores * steps / (time.perf_counter() - begun)

    def check():
        after = mass()
        if not np.isfinite(after) or (not single and abs(after / before - 1) > 0.2):
            sys.exit(f"the peer's simulation is not sound: {before} -> {after}")

    return run, check


def compare(program, shape, threads, arguments, folder):
    solid = disc_pack(*shape)
    path = Path(folder, "solid.npy")
    np.save(path, solid.astype(np.uint8))
    ti.init(arch=ti.cpu, cpu_max_num_threads=threads, default_fp=ti.f32, fast_math=True, log_level=ti.ERROR)
    theirs_run, theirs_check = two_phase(solid, arguments.single, arguments.seconds)
    with subprocess.Popen(
        [program, path, str(threads), str(arguments.seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        theirs, ours = [], []
        for _ in range(arguments.repeats):
            theirs.append(theirs_run())
            process.stdin.write("run\n")
            ours.append(float(process.stdout.readline()))
        process.stdin.close()
    theirs_check()
    ratios = [our / their for their, our in zip(theirs, ours)]
    low, high = np.percentile(ratios, [25, 75])
    print(
        f"| {shape[0]} x {shape[1]} | {threads} | {spread(ours)} | {spread(theirs)} | "
        f"{statistics.median(ratios):.2f} [{low:.2f}, {high:.2f}] |",
        flush=True,
    )


def spread(updates):
    low, middle, high = np.percentile(updates, [25, 50, 75]) / 1e6
    return f"{middle:.1f} [{low:.1f}, {high:.1f}], best {max(updates) / 1e6:.1f}"


def cargo(*arguments):
    subprocess.run(["cargo", *arguments], cwd=ROOT, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--single", action="store_true", help="single-phase collision and streaming only, in Taichi")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one run")
    parser.add_argument("--no-bench", action="store_true", help="leave out the Rust bench")
    arguments = parser.parse_args()
    if not arguments.no_bench:
        cargo("bench", "-p", "porecast-simulations", "--bench", "lattice_boltzmann")
    cargo("build", "--release", "-p", "porecast-simulations", "--example", "time_two_phase")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = target / "release" / "examples" / "time_two_phase"
    kind = "single-phase" if arguments.single else "two-phase"
    print(f"\nTaichi {'.'.join(map(str, ti.__version__))} ({kind}) and porecast (two-phase), f32, in turn {arguments.repeats} times; "
          f"million updates of pore sites a second, medians [quartiles]; load average {os.getloadavg()[0]:.2f}\n")
    print("| height x width | threads | porecast | Taichi | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for threads in (1, 2):
            for shape in [(256, 64), (512, 128), (512, 512)]:
                compare(program, shape, threads, arguments, folder)
    print(f"\nload average {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
