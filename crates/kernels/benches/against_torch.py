"""Times the kernels against PyTorch, in turn within one run, and writes docs/performance.md.

Every variant of PyTorch (NCHW and channels-last, eager and compiled) and the kernels run as programs that wait for
commands. Each turn asks each program once; only one works at a time. The best variant of PyTorch counts: the one with
the least median. Ratios are taken turn by turn and their median and quartiles given, since other load on the machine
changes from turn to turn.

python benches/against_torch.py [--level amx|avx512|avx2] [--turns N] [--cases ...] [--write docs/performance.md]
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
    "head": ("26 frames through a sequence head, 512x128", ["head", 1, 512, 128, 16], ["sequence 26"]),
}
# Name of an instruction set and of its table: worker.rs's name, words, and the limits of both sides.
LEVELS = {
    "amx": ("Amx", "matrix registers", {}),
    "avx512": (
        "Avx512",
        "AVX-512 on both sides",
        {"PORECAST_KERNELS_SIMD": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "ATEN_CPU_CAPABILITY": "avx512"},
    ),
    "avx2": (
        "Avx2",
        "AVX2 on both sides",
        {"PORECAST_KERNELS_SIMD": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    ),
}
TORCH = {
    "NCHW": [],
    "channels-last": ["channels_last"],
    "NCHW, compiled": ["compile"],
    "channels-last, compiled": ["channels_last", "compile"],
}


class Worker:
    # 0: elapsed time; 1: processor time over all threads.
    clock = 0

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
        """The answer: of a time, the one of the clock; of memory, the only number."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"{self.process.args} stopped")
        return float(answer[self.clock if len(answer) > 1 else 0])

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
    parser.add_argument("--level", choices=list(LEVELS), default="amx", help="instruction set of both sides")
    parser.add_argument("--processor-time", action="store_true", help="not elapsed time: for a machine with other work")
    parser.add_argument("--write", type=pathlib.Path, help="replace the level's table on this page")
    arguments = parser.parse_args()
    environment = dict(os.environ, RAYON_NUM_THREADS=str(arguments.threads), OMP_WAIT_POLICY="passive")
    Worker.clock = int(arguments.processor_time)
    level, words, limits = LEVELS[arguments.level]
    environment |= limits
    ours = Worker([arguments.worker, "unet", 1, 16, 16, 8], environment)
    ours.stop()
    if not ours.about.endswith(level):
        print(f"{words}: not on this processor ({ours.about.split()[-1]}); its table stays as it is")
        return
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
        f"{processor()}, {arguments.threads} threads, {words}, "
        f"PyTorch {torch.__version__}, {datetime.date.today()}; load average {min(load):.1f} to {max(load):.1f} "
        f"(the programs themselves make {arguments.threads}); {arguments.turns} turns; "
        f"{'processor time' if arguments.processor_time else 'elapsed time'}.",
        "",
        "| network | | kernels, ms | PyTorch's best, ms | ratio (quartiles) | MiB | PyTorch, MiB | ratio |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *lines,
    ]
    if arguments.layers:
        one = environment | {"RAYON_NUM_THREADS": "1"}
        tables = [
            subprocess.run([arguments.layers, *network], env=one, capture_output=True, text=True).stdout.rstrip()
            for network in ([], ["resnet"])
        ]
        text += ["", "```text", *tables, "```"]
    if arguments.write:
        page = arguments.write.read_text()
        begin, end = f"<!-- {arguments.level} -->\n", f"<!-- end of {arguments.level} -->"
        before, rest = page.split(begin)
        after = rest.split(end)[1]
        arguments.write.write_text(before + begin + "\n".join(text) + "\n" + end + after)
    print("\n".join(text))


main()
