"""The UNet of unet.rs in PyTorch: forward pass and training step, printed like there.

python benches/unet_torch.py [batch height width base] [channels_last] [compile]
"""

import os
import resource
import statistics
import sys
import time

import torch
from torch import nn


def half(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def block(inputs, outputs):
    return nn.Sequential(half(inputs, outputs), half(outputs, outputs))


class UNet(nn.Module):
    def __init__(self, base):
        super().__init__()
        widths = [base << level for level in range(5)]
        self.encoder = nn.ModuleList(block(a, b) for a, b in zip([2] + widths[:3], widths[:4]))
        self.bottleneck = block(widths[3], widths[4])
        self.up = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2) for i in range(4))
        self.decoder = nn.ModuleList(block(2 * width, width) for width in widths[:4])
        self.head = nn.Conv2d(base, 1, 1)

    def forward(self, x):
        skips = []
        for encode in self.encoder:
            x = encode(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for level in reversed(range(4)):
            x = self.decoder[level](torch.cat([skips[level], self.up[level](x)], 1))
        return self.head(x)


def report(name, work, runs=9):
    work()
    work()
    elapsed, spent = [], []
    for _ in range(runs):
        before, start = time.process_time(), time.perf_counter()
        work()
        elapsed.append(1e3 * (time.perf_counter() - start))
        spent.append(1e3 * (time.process_time() - before))
    show = lambda times: f"{statistics.median(times):.1f} ms ({min(times):.1f} to {max(times):.1f})"
    print(f"{name}: {show(elapsed)}; processor time of all threads {show(spent)}")


def main():
    sizes = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    batch, height, width, base = sizes or [4, 512, 128, 16]
    torch.set_num_threads(int(os.environ.get("RAYON_NUM_THREADS", os.cpu_count())))
    torch.manual_seed(0)
    layout = torch.channels_last if "channels_last" in sys.argv else torch.contiguous_format
    model = UNet(base).to(memory_format=layout)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    x = (2 * torch.rand(batch, 2, height, width) - 1).to(memory_format=layout)
    target = torch.rand(batch, 1, height, width)
    print(
        f"PyTorch {torch.__version__}: {parameters} parameters, batch {batch} x {height}x{width}, "
        f"{torch.get_num_threads()} threads, {' '.join(sys.argv[1:])}"
    )
    run = torch.compile(model) if "compile" in sys.argv else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def forward():
        with torch.inference_mode():
            run(x)

    def step():
        optimizer.zero_grad()
        (run(x) - target).square().mean().backward()
        optimizer.step()

    model.eval()
    report("forward", forward)
    model.train()
    report("training step", step)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


main()
