"""The networks of the comparison in PyTorch, as in networks/; run by against_torch.py like worker.rs.

python benches/networks.py <unet | resnet> <batch> <height> <width> <base> [channels_last] [compile] [cuda]
"""

import os
import resource
import sys
import time

import torch
from torch import nn


def normed(inputs, outputs, kernel=3, stride=1, rectify=True):
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if rectify else nn.Sequential(*layers)


def block(inputs, outputs):
    return nn.Sequential(normed(inputs, outputs), normed(outputs, outputs))


class Unet(nn.Module):
    inputs = 2

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


class Basic(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = normed(inputs, outputs, 3, stride)
        self.second = normed(outputs, outputs, rectify=False)
        self.shortcut = nn.Identity() if inputs == outputs else normed(inputs, outputs, 1, stride, False)

    def forward(self, x):
        return torch.relu(self.shortcut(x) + self.second(self.first(x)))


class ResnetUnet(nn.Module):
    inputs = 4

    def __init__(self, _base):
        super().__init__()
        widths = [64, 64, 128, 256, 512]
        self.stem = normed(4, 64, 7, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(Basic(a, b, 1 if a == b else 2), Basic(b, b, 1)) for a, b in zip(widths, widths[1:])
        )
        decoder = [(512 + 256, 256), (256 + 128, 128), (128 + 64, 64), (64 + 64, 32), (32, 16)]
        self.decoder = nn.ModuleList(block(a, b) for a, b in decoder)
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        x = self.stem(x)
        skips = [x]
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        skips.pop()
        for decode in self.decoder:
            x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
            x = decode(torch.cat([skips.pop(), x], 1) if skips else x)
        return self.head(x)


def timed(work):
    def finished():
        work()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()

    finished()
    before, start = time.process_time(), time.perf_counter()
    finished()
    print(1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - before), flush=True)


def main():
    name, batch, height, width, base = sys.argv[1], *map(int, sys.argv[2:6])
    torch.set_num_threads(int(os.environ["RAYON_NUM_THREADS"]))
    torch.manual_seed(0)
    layout = torch.channels_last if "channels_last" in sys.argv else torch.contiguous_format
    device = "cuda" if "cuda" in sys.argv else "cpu"
    model = {"unet": Unet, "head": Unet, "resnet": ResnetUnet}[name](base).to(device, memory_format=layout)
    x = (2 * torch.rand(batch, model.inputs, height, width) - 1).to(device, memory_format=layout)
    target = torch.rand(batch, 1, height, width).to(device)
    run = torch.compile(model) if "compile" in sys.argv else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def forward(times=1):
        model.eval()
        with torch.inference_mode():
            for _ in range(times):
                run(x)

    def step():
        model.train()
        optimizer.zero_grad()
        (run(x) - target).square().mean().backward()
        optimizer.step()

    print(sum(parameter.numel() for parameter in model.parameters()), "parameters,", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["forward"]:
                timed(forward)
            case ["sequence", frames]:
                timed(lambda: forward(-(-int(frames) // batch)))
            case ["step"]:
                timed(step)
            case ["memory"]:
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)


main()
