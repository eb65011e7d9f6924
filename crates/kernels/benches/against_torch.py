"""Times the kernels against PyTorch, in turn within one run, and writes docs/performance.md.

Every variant of PyTorch (NCHW and channels-last, eager and compiled) and the kernels run as programs that wait for
commands. Each turn asks each program once; only one works at a time. The best variant of PyTorch counts: the one with
the least median. Ratios are taken turn by turn and their median and quartiles given, since other load on the machine
changes from turn to turn.

python benches/against_torch.py [--turns N] [--cases ...] [--write docs/performance.md]
"""

import argparse
import datetime
import os
import pathlib
import platform
import statistics
import subprocess
import sys

import torch

HERE = pathlib.Path(__file__).resolve().parent
# Name, worker's arguments, commands.
CASES = {
    "unet": ("UNet, base 16, 4 x 512x128", ["unet", 4, 512, 128, 16], ["forward", "step"]),
    "unet-1": ("UNet, base 16, 1 x 512x128", ["unet", 1, 512, 128, 16], ["forward", "step"]),
    "unet-square": ("UNet, base 16, 4 x 256x256", ["unet", 4, 256, 256, 16], ["forward", "step"]),
    "unet-32": ("UNet, base 32, 4 x 512x128", ["unet", 4, 512, 128, 32], ["forward", "step"]),
    "resnet": ("ResNet18-UNet, 2 x 384x384", ["resnet", 2, 384, 384, 0], ["forward", "step"]),
    "sequence": ("26 frames of a domain, 512x128", ["unet", 1, 512, 128, 16], ["sequence 26"]),
}
TORCH = {
    "NCHW": [],
    "channels-last": ["channels_last"],
    "NCHW, compiled": ["compile"],
    "channels-last, compiled": ["channels_last", "compile"],
}


class Worker:
    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.about = self.process.stdout.readline().strip()

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"{self.process.args} stopped")
        return float(answer[0])

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return middle, low, high


def measure(arguments, commands, turns, worker, variants, environment):
    """Milliseconds by command and program, a value for each turn, and the peak memory of each program."""
    ours = Worker([worker, *arguments], environment)
    programs = {"kernels": ours}
    for name in variants:
        programs[name] = Worker([sys.executable, HERE / "networks.py", *arguments, *TORCH[name]], environment)
    times = {command: {name: [] for name in programs} for command in commands}
    for turn in range(turns + 1):
        for command in commands:
            for name, program in list(programs.items()):
                try:
                    answer = program.ask(command)
                except (RuntimeError, BrokenPipeError):
                    print(f"  {name} failed at {command} and is left out", file=sys.stderr)
                    del programs[name]
                    for of in times.values():
                        of.pop(name, None)
                    continue
                if turn > 0:  # The first is for warming up and compiling.
                    times[command][name].append(answer)
        print(f"  turn {turn} of {turns}", file=sys.stderr)
    memory = {name: program.ask("memory") for name, program in programs.items()}
    for program in programs.values():
        program.stop()
    return times, memory


def row(case, command, times, memory):
    ours = times.pop("kernels")
    best = min(times, key=lambda name: statistics.median(times[name]))
    ratio, low, high = quartiles([a / b for a, b in zip(ours, times[best])])
    a, b = statistics.median(ours), statistics.median(times[best])
    lightest = min(memory[name] for name in times)
    return (
        f"| {case} | {command} | {a:.0f} | {b:.0f} ({best}) | **{ratio:.2f}** ({low:.2f} to {high:.2f}) "
        f"| {memory['kernels']:.0f} | {lightest:.0f} | {memory['kernels'] / lightest:.2f} |"
    )


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", required=True, help="the compiled worker.rs")
    parser.add_argument("--layers", help="the compiled layers.rs, for the table of layers")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--avx2", action="store_true", help="AVX2 on both sides")
    parser.add_argument("--write", type=pathlib.Path, help="replace the measured part of this page")
    arguments = parser.parse_args()
    environment = dict(os.environ, RAYON_NUM_THREADS=str(arguments.threads), OMP_WAIT_POLICY="passive")
    if arguments.avx2:
        environment |= {"PORECAST_KERNELS_SIMD": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    load = [os.getloadavg()[0]]
    lines = []
    for case in arguments.cases:
        title, sizes, commands = CASES[case]
        print(title, file=sys.stderr)
        times, memory = measure(sizes, commands, arguments.turns, arguments.worker, TORCH, environment)
        for command in commands:
            lines.append(row(title, command.split()[0], times[command], memory))
            print(lines[-1], flush=True)
        load.append(os.getloadavg()[0])
    text = [
        f"{processor()}, {arguments.threads} threads, {'AVX2 on both sides' if arguments.avx2 else 'all instructions'}, "
        f"PyTorch {torch.__version__}, {datetime.date.today()}; load average {min(load):.1f} to {max(load):.1f} "
        f"(the programs themselves make {arguments.threads}); {arguments.turns} turns.",
        "",
        "| network | | kernels, ms | PyTorch's best, ms | ratio (quartiles) | MiB | PyTorch, MiB | ratio |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *lines,
    ]
    if arguments.layers:
        table = subprocess.run([arguments.layers], env=environment | {"RAYON_NUM_THREADS": "1"}, capture_output=True, text=True)
        text += ["", "```text", table.stdout.rstrip(), "```"]
    if arguments.write:
        name = "avx2" if arguments.avx2 else "measured"
        page = arguments.write.read_text()
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = page.split(begin)
        after = rest.split(end)[1]
        arguments.write.write_text(before + begin + "\n".join(text) + "\n" + end + after)
    print("\n".join(text))


main()
