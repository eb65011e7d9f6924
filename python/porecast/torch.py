"""The networks of an invasion run as PyTorch modules, with the same outputs to 1e-5.

    import torch, porecast.torch

    model = porecast.torch.load("runs/time")
    channels = porecast.torch.channels(solid, model.inputs, model.inlet)  # [channel, y, x]
    probability = model(torch.from_numpy(channels)[None])  # [domain, time, y, x]

``porecast predict`` does four more things: it turns a domain so that its inlet lies where it did in the training, sets the
probability to 0 in solid and in enclosed pores, predicts domains larger than 512 pixels in overlapping tiles, and holds a
recurrent network back where it would invade more than was injected.
Dropout and stochastic depth are left out: they only act in porecast's training.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from porecast import _porecast
from porecast._arrays import mask

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

__all__ = ["Model", "channels", "load"]


def load(run):
    """The networks of a run folder, each with the weights of its best epoch, ready to predict.

    Raises ValueError if the folder is no invasion run with a trained network.
    """
    run = Path(run)
    if not (run / "run.json").is_file():
        raise ValueError(f"{run} is no run folder: it has no run.json; pass the output folder of `porecast train`")
    card = json.loads((run / "run.json").read_text())
    if card["format"] != "porecast-run":
        raise ValueError(f"{run} is of format {card['format']!r}; only invasion runs have a PyTorch twin")
    if not card["members"]:
        raise ValueError(f"{run} has no trained network yet; finish it with `porecast train --resume`")
    config = tomllib.loads((run / "config.toml").read_text())
    model = Model(config, card)
    for network, member in zip(model.networks, card["members"]):
        _place(network, run / member["folder"] / "best.safetensors")
    return model.eval()


class Model(nn.Module):
    """The networks of a run: one for any time, or one for each of some frames.

    Attributes
    ----------
    inputs : list of str
        Channels of the input, in order.
    quantities : list of str
        Physical quantities that the networks are told, in order; empty for most runs.
    times : Tensor
        Mean time of each frame in the training; of a single-frame run, of its own frames.
    inlet : str
        Edge where the invading fluid entered in the training: top, bottom, left or right.
    """

    def __init__(self, config, card):
        super().__init__()
        dataset = card["dataset"]
        self.inputs = config.get("inputs", ["pore"])
        self.inlet = dataset["inlet"]
        self.head = config["head"]
        self.scales = dataset.get("physics", [])
        self.quantities = [scale["quantity"] for scale in self.scales]
        self.time_scale = dataset["time_scale"]
        self.is_mirrored = config.get("mirrored_prediction", False)
        conditioning = config["conditioning"]
        knots = conditioning["sequence"]["knots"] if "sequence" in conditioning else None
        self.is_single_frame = "single-frame" in conditioning
        outputs = 1 if self.head == "regression" else 3
        kind = Vit if config["model"]["architecture"] == "vit" else Unet
        recurrent = None
        if "recurrent" in conditioning:
            _, height, width = dataset["shape"]
            is_across = self.inlet in ("left", "right")
            recurrent = {**conditioning["recurrent"], "length": width if is_across else height, "is_across": is_across}
        ends = Ends(len(self.inputs), outputs, conditioning == "time", len(self.quantities), knots, recurrent)
        self.networks = nn.ModuleList(kind(config["model"], ends) for _ in card["members"])
        times = torch.tensor(dataset["mean_times"], dtype=torch.float64)
        if self.is_single_frame:
            times = times[[member["frame"] for member in card["members"]]]
        self.register_buffer("times", times, persistent=False)

    def forward(self, channels, times=None, physics=None):
        """Probability of the invading phase ``[domain, time, y, x]``.

        Parameters
        ----------
        channels : Tensor
            Input ``[domain, channel, y, x]``, the channels in the order of ``inputs``.
        times : Tensor, optional
            ``[time]`` or ``[domain, time]`` in the unit of the training data; by default ``times`` of the model.
            A single-frame run predicts its own frames only.
        physics : Tensor, optional
            ``[domain, quantity]`` in the order of ``quantities``: capillary number, viscosity ratio, contact angle in
            degrees, porosity. Needed if ``quantities`` is not empty.
        """
        probability = self._probability(channels, times, physics)
        if self.is_mirrored:
            across = -1 if self.inlet in ("top", "bottom") else -2
            mirrored = self._probability(channels.flip(across), times, physics).flip(across)
            probability = (probability + mirrored) / 2
        return probability

    def logits(self, channels, times=None, physics=None):
        """Logits ``[domain, time, output, y, x]``, for training: one output (invading against defending) with the head
        ``regression``, else solid, defending and invading. Parameters as of ``forward``."""
        if self.is_single_frame:
            if times is not None:
                raise ValueError(f"a single-frame run predicts only its own times {self.times.tolist()}; leave out times")
            times = self.times[:1]
        elif times is None:
            times = self.times
        domains = channels.shape[0]
        # Divided in double precision and rounded once, as porecast does.
        scaled = (times.double() / self.time_scale).float()
        if scaled.dim() == 1:
            scaled = scaled[None].expand(domains, -1)
        told = self._tell(physics)
        logits = [network(channels, scaled, told) for network in self.networks]
        return torch.cat([frames.reshape(domains, -1, *frames.shape[1:]) for frames in logits], 1)

    def _probability(self, channels, times, physics):
        logits = self.logits(channels, times, physics)
        return torch.sigmoid(logits[:, :, 0]) if self.head == "regression" else logits.softmax(2)[:, :, 2]

    def _tell(self, physics):
        """What the networks are told of the physics: logarithms and cosines, less the mean, over the deviation."""
        if not self.scales:
            return None
        if physics is None or physics.shape[-1] != len(self.scales):
            raise ValueError(f"the run needs physics [domain, quantity] with {', '.join(self.quantities)}")
        told = []
        for scale, value in zip(self.scales, physics.double().unbind(1)):
            if scale["least"] == scale["most"]:
                told.append(torch.zeros_like(value))  # all training domains agree: nothing was learnt of other values
                continue
            if scale["quantity"] in ("capillary-number", "viscosity-ratio"):
                value = value.log()
            elif scale["quantity"] == "contact-angle":
                value = (value * (math.pi / 180)).cos()
            told.append((value - scale["mean"]) / scale["standard_deviation"])
        return torch.stack(told, 1).float()


def channels(solid, names, inlet="top"):
    """Input channels ``[channel, y, x]`` of a domain, as porecast computes them.

    Parameters
    ----------
    solid : array
        ``[y, x]``, true in solid.
    names : list of str
        Channels, as in ``inputs`` of a model.
    inlet : str
        Edge where the invading fluid enters.
    """
    return _porecast.channels(mask("solid", solid, "y, x"), list(names), inlet)


# Weights.


def _place(network, path):
    """Loads a weight file of porecast: other names, linear layers transposed, 16 or 32 bits."""
    own = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    linear = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    weights = {_name(name): value.float() for name, value in load_file(path).items()}
    weights = {name: value.T.contiguous() if name in linear else value for name, value in weights.items()}
    for name in sorted(own.keys() ^ weights.keys()):
        raise ValueError(f"{path} does not hold the weights of the configured network: {name} is missing on one side")
    network.load_state_dict(weights, strict=False)


# Names of variants and wrappers in porecast's weight files, without a module here.
_LEFT_OUT = {"Unet", "Vit", "Batch", "Group", "Transposed", "Nearest", "inner", "Resnet", "EfficientNet", "Atrous", "Pyramid"}
_RENAMED = {"gamma": "weight", "beta": "bias", "global": "global_branch"}


def _name(name):
    return ".".join(_RENAMED.get(part, part) for part in name.split(".") if part not in _LEFT_OUT)


# Layers.


class Ends:
    """What a network is given and what it gives back."""

    def __init__(self, inputs, outputs, takes_time, physics, knots, recurrent):
        self.inputs, self.outputs, self.takes_time, self.physics, self.knots = inputs, outputs, takes_time, physics, knots
        self.recurrent = recurrent
        self.last_channels = outputs * (knots or 1)


ACTIVATIONS = {
    "relu": functional.relu,
    "leaky-relu": lambda x: functional.leaky_relu(x, 0.01),
    "mish": functional.mish,
    "silu": functional.silu,
}


MERGES = {
    "concatenate": lambda skip, x: torch.cat([skip, x], 1),
    "add": lambda skip, x: x + skip,
    "multiply": lambda skip, x: x * skip,
}


def conv(inputs, outputs, kernel, stride=1, dilation=1, groups=1, bias=True):
    return nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, groups, bias)


def norm(kind, channels):
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)


class ConvNorm(nn.Module):
    """Convolution without bias, norm and activation."""

    def __init__(self, inputs, outputs, kernel, kind="batch", activation=None, **options):
        super().__init__()
        self.conv = conv(inputs, outputs, kernel, bias=False, **options)
        self.norm = norm(kind, outputs)
        self.activation = ACTIVATIONS[activation] if activation else nn.Identity()

    def forward(self, x):
        return self.activation(self.norm(self.conv(x)))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, reduced, activation):
        super().__init__()
        self.reduce, self.restore = conv(channels, reduced, 1), conv(reduced, channels, 1)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x):
        mean = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.restore(self.activation(self.reduce(mean))))


class TimeEmbedding(nn.Module):
    """Sine and cosine of a time in [0, 1] at rates from 1/2 to 32, then two linear layers."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.second = nn.Linear(channels, channels), nn.Linear(channels, channels)
        half = channels // 2
        exponents = np.arange(half, dtype=np.float32) / np.float32(max(half - 1, 1))
        rates = np.float32(math.pi) * np.float32(0.5) * np.float32(64) ** exponents
        self.register_buffer("rates", torch.from_numpy(rates), persistent=False)

    def forward(self, times):  # [n] to [n, channels]
        angles = times[:, None] * self.rates
        features = torch.cat([angles.sin(), angles.cos()], 1)
        return functional.silu(self.second(functional.silu(self.first(features))))


class PhysicsEmbedding(nn.Module):
    def __init__(self, quantities, channels):
        super().__init__()
        self.first, self.second = nn.Linear(quantities, channels), nn.Linear(channels, channels)

    def forward(self, physics):
        return functional.silu(self.second(functional.silu(self.first(physics))))


class TimeInjection(nn.Module):
    """x + shift or x (1 + scale) + shift, channel by channel."""

    def __init__(self, mode, embedding, channels):
        super().__init__()
        self.scales = mode == "scale-and-shift"
        self.linear = nn.Linear(embedding, 2 * channels if self.scales else channels)

    def forward(self, x, embedding):
        change = self.linear(embedding)[:, :, None, None]
        if not self.scales:
            return x + change
        scale, shift = change.chunk(2, 1)
        return x * (1 + scale) + shift


class Block(nn.Module):
    """Convolution, norm, time and physics, activation, convolution, norm, activation."""

    def __init__(self, config, inputs, outputs, is_told):
        super().__init__()
        unet, time = config["unet"], config["time"]
        self.first, self.first_norm = conv(inputs, outputs, 3), norm(unet["norm"], outputs)
        self.second, self.second_norm = conv(outputs, outputs, 3), norm(unet["norm"], outputs)
        self.time = TimeInjection(time["mode"], time["channels"], outputs) if is_told else None
        self.is_residual = unet["residual"]
        self.shortcut = conv(inputs, outputs, 1) if self.is_residual and inputs != outputs else None
        self.activation = ACTIVATIONS[unet["activation"]]

    def forward(self, x, embedding):
        change = self.first_norm(self.first(x))
        if self.time is not None and embedding is not None:
            change = self.time(change, embedding)
        change = self.second_norm(self.second(self.activation(change)))
        if self.is_residual:
            change = change + (x if self.shortcut is None else self.shortcut(x))
        return self.activation(change)


def positions(height, width, channels, device):
    """Sine and cosine of y, then of x: ``[height * width, channels]``."""
    quarter = channels // 4
    exponents = -np.arange(quarter, dtype=np.float32) / np.float32(quarter)
    rates = torch.from_numpy(np.float32(1000) ** exponents).to(device)
    y = torch.arange(height, device=device, dtype=torch.float32)[:, None, None] * rates
    x = torch.arange(width, device=device, dtype=torch.float32)[None, :, None] * rates
    waves = [wave.expand(height, width, quarter) for wave in (y.sin(), y.cos(), x.sin(), x.cos())]
    return torch.cat(waves, 2).reshape(height * width, 4 * quarter)


def to_tokens(x):
    return x.flatten(2).transpose(1, 2)


class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads

    def forward(self, x):  # [n, tokens, width]
        split = [layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)]
        query, key, value = split
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
        return self.output((scores.softmax(3) @ value).transpose(1, 2).flatten(2))


class SelfAttention(nn.Module):
    def __init__(self, channels, heads, positional):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(channels), MultiHeadAttention(channels, heads)
        self.knows_position = positional == "sinusoidal"

    def forward(self, x):
        tokens = to_tokens(x)
        normed = self.norm(tokens)
        if self.knows_position:
            normed = normed + positions(*x.shape[2:], x.shape[1], x.device)
        return (tokens + self.attention(normed)).transpose(1, 2).reshape(x.shape)


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear_inner, self.linear_outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.linear_outer(functional.gelu(self.linear_inner(x)))


class TransformerLayer(nn.Module):
    """Attention and feed-forward, each after its norm; the names are Burn's."""

    def __init__(self, width, heads):
        super().__init__()
        self.mha, self.pwff = MultiHeadAttention(width, heads), FeedForward(width)
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x):
        x = x + self.mha(self.norm_2(x))
        return x + self.pwff(self.norm_1(x))


class Transformer(nn.Module):
    def __init__(self, width, heads, depth):
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(width, heads) for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


# Networks: `forward(input, times, physics)` gives logits [domains * k, outputs, y, x] for times [domains, k].


def pad_to_multiple(x, multiple):
    return functional.pad(x, (0, -x.shape[3] % multiple, 0, -x.shape[2] % multiple))


def repeat_each(x, count):
    """Repeats each entry of the first axis, entry by entry. ONNX lacks this for a count that is not constant."""
    return x[:, None].expand(-1, count, *x.shape[1:]).flatten(0, 1)


def sum_embeddings(physics, time, frames):
    """Embedding of each frame of each domain; `physics` has one row per domain."""
    if physics is not None:
        physics = repeat_each(physics, frames)
    both = [embedding for embedding in (physics, time) if embedding is not None]
    return sum(both[1:], both[0]) if both else None


def interpolate(logits, knots, times):
    """Logits at times in [0, 1], linear between knots."""
    domains, channels, height, width = logits.shape
    position = times.clamp(0, 1)[:, :, None] * (knots - 1)
    knot = torch.arange(knots, device=logits.device, dtype=torch.float32)
    weights = (1 - (position - knot).abs()).clamp(min=0)  # [domains, k, knots]
    frames = weights @ logits.reshape(domains, knots, -1)
    return frames.reshape(-1, channels // knots, height, width)


class Unet(nn.Module):
    def __init__(self, config, ends):
        super().__init__()
        unet, time = config["unet"], config["time"]
        levels = self.levels = unet["levels"]
        kind = unet["encoder"]["kind"]
        foreign = ENCODER_CHANNELS.get(kind)
        channels = [unet["base_channels"] << level for level in range(levels + 1)]
        deepest = foreign[-1] if foreign else channels[levels]
        encoded = foreign[-1] if foreign else channels[levels - 1]
        skips = [None, *foreign[:-1]] if foreign else channels[:levels]

        def at(place):
            return ends.takes_time and place in time["enters"]

        def is_told(place):
            return ends.physics > 0 or at(place)

        self.merge = unet["skips"]
        upsampled = [skip if skip and self.merge != "concatenate" else own for own, skip in zip(channels, skips)]
        merged = [
            own + skip if skip and self.merge == "concatenate" else own for own, skip in zip(upsampled, skips)
        ]
        below = [*channels[1:levels], deepest]
        down, up = range(0 if foreign else levels), range(levels - 1, -1, -1)
        self.embedding = TimeEmbedding(time["channels"]) if ends.takes_time else None
        self.physics = PhysicsEmbedding(ends.physics, time["channels"]) if ends.physics else None
        self.encoder = nn.ModuleList(
            Block(config, channels[level - 1] if level else ends.inputs, channels[level], is_told("encoder"))
            for level in down
        )
        self.bottleneck = None if foreign else Block(config, encoded, deepest, is_told("bottleneck"))
        attention = unet["attention"]
        self.attention = (
            SelfAttention(deepest, attention["heads"], attention["positional"]) if attention["enabled"] else None
        )
        self.is_nearest = unet["upsampling"] == "nearest"
        self.upsamples = nn.ModuleList(
            conv(below[level], upsampled[level], 3)
            if self.is_nearest
            else nn.ConvTranspose2d(below[level], upsampled[level], 2, 2)
            for level in up
        )
        self.decoder = nn.ModuleList(
            Block(config, merged[level], channels[level], is_told("decoder")) for level in up
        )
        self.head = None if ends.recurrent else conv(channels[0], ends.last_channels, 3)
        self.recurrence = None
        if ends.recurrent:
            told = time["channels"] if ends.physics else None
            self.recurrence = Recurrence(channels[Recurrence.LEVEL], channels[0], told, ends)
        self.pretrained = None
        if foreign:
            self.pretrained = (Resnet if kind.startswith("resnet") else EfficientNet)(kind, ends.inputs)
        self.context = CONTEXTS[unet["context"]["kind"]](unet, deepest)
        fine = [*[skip for skip in skips[1:] if skip], encoded]
        self.global_branch = GlobalBranch(config, ends.inputs, fine) if unet["global"]["enabled"] else None
        self.encoder_takes_time = not foreign and at("encoder")
        self.bottleneck_takes_time = not foreign and at("bottleneck")
        self.knots = ends.knots

    def forward(self, x, times, physics):
        height, width = x.shape[2:]
        frames = 1 if self.knots or self.recurrence is not None else times.shape[1]
        x = pad_to_multiple(x, 1 << self.levels)
        told = self.physics(physics) if self.physics is not None else None
        skips = []
        if not self.encoder_takes_time:
            x, skips = self.contract(x, told)
            if not self.bottleneck_takes_time:
                x = self.squeeze(x, told)
        x = repeat_each(x, frames)
        time = self.embedding(times.reshape(-1)) if self.embedding is not None else None
        told = sum_embeddings(told, time, frames)
        if self.encoder_takes_time:
            x, skips = self.contract(x, told)
        if self.encoder_takes_time or self.bottleneck_takes_time:
            x = self.squeeze(x, told)
        repeats = 1 if self.encoder_takes_time else frames
        decoded = []
        for upsample, block in zip(self.upsamples, self.decoder):
            if self.is_nearest:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = upsample(x)
            if skips:  # a ResNet or EfficientNet has no skip of full resolution
                skip = repeat_each(skips.pop(), repeats)
                x = MERGES[self.merge](skip, x)
            x = block(x, told)
            decoded.append(x)
        if self.recurrence is not None:
            coarse = decoded[-1 - Recurrence.LEVEL]
            return self.recurrence(coarse, x, told, (height, width), times)[:, :, :height, :width]
        logits = self.head(x)[:, :, :height, :width]
        return interpolate(logits, self.knots, times) if self.knots else logits

    def contract(self, x, told):
        input, skips = x, []
        for block in self.encoder:
            skips.append(block(x, told))
            x = functional.max_pool2d(skips[-1], 2)
        if self.pretrained is not None:
            *skips, x = self.pretrained(x)
        if self.global_branch is not None:
            finest = len(skips) + 1 - self.levels  # the global branch has no features of full resolution
            fine = self.global_branch(input, [*skips[finest:], x])
            *skips, x = [*skips[:finest], *fine]
        return x, skips

    def squeeze(self, x, told):
        if self.bottleneck is not None:
            x = self.bottleneck(x, told)
        if self.attention is not None:
            x = self.attention(x)
        return self.context(x) if self.context is not None else x


class Vit(nn.Module):
    def __init__(self, config, ends):
        super().__init__()
        vit, embedding = config["vit"], config["time"]["channels"]
        width, self.patch, self.outputs, self.knots = vit["width"], vit["patch"], ends.last_channels, ends.knots
        self.patches = nn.Conv2d(ends.inputs, width, self.patch, self.patch)
        self.embedding = TimeEmbedding(embedding) if ends.takes_time else None
        self.physics = PhysicsEmbedding(ends.physics, embedding) if ends.physics else None
        self.time = nn.Linear(embedding, width) if ends.takes_time or ends.physics else None
        self.transformer = Transformer(width, vit["heads"], vit["depth"])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, self.outputs * self.patch**2)

    def forward(self, x, times, physics):
        height, width = x.shape[2:]
        frames = 1 if self.knots else times.shape[1]
        told = self.physics(physics) if self.physics is not None else None
        time = self.embedding(times.reshape(-1)) if self.embedding is not None else None
        told = sum_embeddings(told, time, frames)
        patches = self.patches(pad_to_multiple(x, self.patch))
        channels, rows, columns = patches.shape[1:]
        x = repeat_each(to_tokens(patches), frames) + positions(rows, columns, channels, x.device)
        if told is not None:
            x = x + self.time(told)[:, None]
        x = self.head(self.norm(self.transformer(x)))
        p = self.patch
        x = x.reshape(-1, rows, columns, self.outputs, p, p).permute(0, 3, 1, 4, 2, 5)
        logits = x.reshape(-1, self.outputs, rows * p, columns * p)[:, :, :height, :width]
        return interpolate(logits, self.knots, times) if self.knots else logits


# Optional parts of a UNet.


class Recurrence(nn.Module):
    """A state of a quarter of the resolution, stepped from knot to knot; coefficients read from it combine features of full
    resolution into logits."""

    LEVEL, FEATURES = 2, 8

    def __init__(self, coarse, fine, told, ends):
        super().__init__()
        self.knots, self.length = ends.recurrent["knots"], ends.recurrent["length"]
        self.is_across = ends.recurrent["is_across"]
        channels = ends.recurrent["channels"]
        self.outputs = ends.outputs
        self.begin, self.fixed = conv(coarse, channels, 1), conv(coarse, 3 * channels, 1)
        self.physics = nn.Linear(told, channels) if told else None
        self.enter, self.near = conv(channels, channels, 1, bias=False), conv(channels, channels, 3, bias=False)
        self.far, self.farther = conv(channels, channels, 3), conv(channels, channels, 3)
        self.norm, self.change = norm("group", channels), conv(channels, 2 * channels, 1, bias=False)
        self.features = conv(fine, self.FEATURES, 1)
        self.coefficients = conv(channels, ends.outputs * self.FEATURES, 1)

    def forward(self, coarse, fine, told, size, times):
        length = size[1] if self.is_across else size[0]
        knots = 1 + max(math.floor((self.knots - 1) * length / self.length + 0.5), 1)
        channels = self.begin.out_channels
        entering, changing = self.fixed(coarse).split([channels, 2 * channels], 1)
        if self.physics is not None:
            entering = entering + self.physics(told)[:, :, None, None]
        state, states = self.begin(coarse).tanh(), []
        for _ in range(knots):
            state = self.step(state, entering, changing)
            states.append(state)
        state = interpolate(torch.cat(states, 1), knots, times)
        coefficients = functional.interpolate(
            self.coefficients(state), size=fine.shape[2:], mode="bilinear", align_corners=False
        )
        frames = len(coefficients) // len(fine)
        features = repeat_each(self.features(fine), frames)[:, None]
        return (coefficients.unflatten(1, (self.outputs, self.FEATURES)) * features).sum(2)

    def step(self, state, entering, changing):
        x = self.enter(state) + entering
        near = functional.relu(x + self.near(x))
        far = functional.relu(self.far(functional.max_pool2d(near, 2)))
        farther = functional.relu(self.farther(functional.max_pool2d(far, 2)))
        twice = functional.interpolate
        x = near + twice(far + twice(farther, scale_factor=2.0), scale_factor=2.0)
        gate, new = (self.change(self.norm(x)) + changing).chunk(2, 1)
        return state + gate.sigmoid() * (new.tanh() - state)


def dilated(unet, inputs, outputs):
    return nn.ModuleList(
        ConvNorm(inputs, outputs, 3, unet["norm"], unet["activation"], dilation=dilation)
        for dilation in unet["context"]["dilations"]
    )


class Atrous(nn.Module):
    """Dilated convolutions in series, summed."""

    def __init__(self, unet, channels):
        super().__init__()
        self.convolutions = dilated(unet, channels, channels)
        self.excitation = SqueezeExcitation(channels, max(channels // 8, 1), unet["activation"])

    def forward(self, x):
        total = x
        for convolution in self.convolutions:
            x = convolution(x)
            total = total + x
        return self.excitation(total)


class Pyramid(nn.Module):
    """Dilated convolutions in parallel (atrous spatial pyramid pooling)."""

    def __init__(self, unet, channels):
        super().__init__()
        width = max(channels // 4, 8)
        self.convolutions = dilated(unet, channels, width)
        self.point = ConvNorm(channels, width, 1, unet["norm"], unet["activation"])
        self.image = conv(channels, width, 1)
        self.project = ConvNorm((len(self.convolutions) + 2) * width, channels, 1, unet["norm"], unet["activation"])
        self.activation = ACTIVATIONS[unet["activation"]]

    def forward(self, x):
        image = self.activation(self.image(x.mean((2, 3), keepdim=True))).expand(-1, -1, *x.shape[2:])
        parts = [self.point(x), *(convolution(x) for convolution in self.convolutions), image]
        return self.project(torch.cat(parts, 1))


CONTEXTS = {"none": lambda *_: None, "atrous": Atrous, "aspp": Pyramid}


class Fusion(nn.Module):
    def __init__(self, fine, coarse):
        super().__init__()
        self.gate, self.project = conv(fine + coarse, fine, 1), conv(coarse, fine, 1)

    def forward(self, fine, coarse):
        return fine + torch.sigmoid(self.gate(torch.cat([fine, coarse], 1))) * self.project(coarse)


class GlobalBranch(nn.Module):
    """A coarse branch that sees the whole image, fused into the features at 1/2, 1/4, ... of the resolution."""

    def __init__(self, config, inputs, fine):
        super().__init__()
        unet = config["unet"]
        channels = [unet["base_channels"] << level for level in range(len(fine))]
        self.blocks = nn.ModuleList(
            Block(config, before, own, False) for before, own in zip([inputs, *channels], channels)
        )
        self.transformer = Transformer(channels[-1], unet["global"]["heads"], unet["global"]["depth"])
        self.fusions = nn.ModuleList(Fusion(own, coarse) for own, coarse in zip(fine, channels))

    def forward(self, x, features):
        fused = []
        for level, (block, fusion, fine) in enumerate(zip(self.blocks, self.fusions, features)):
            x = block(functional.avg_pool2d(x, 2) if level == 0 else functional.max_pool2d(x, 2), None)
            if level == len(self.blocks) - 1:
                tokens = to_tokens(x) + positions(*x.shape[2:], x.shape[1], x.device)
                x = self.transformer(tokens).transpose(1, 2).reshape(x.shape)
            fused.append(fusion(fine, x))
        return fused


# Encoders of image classification: features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution.

ENCODER_CHANNELS = {
    "resnet18": (64, 64, 128, 256, 512),
    "resnet34": (64, 64, 128, 256, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "efficientnet-b0": (16, 24, 40, 112, 320),
    "efficientnet-b1": (16, 24, 40, 112, 320),
    "efficientnet-b2": (16, 24, 48, 120, 352),
    "efficientnet-b3": (24, 32, 48, 136, 384),
}


class Residual(nn.Module):
    def __init__(self, inputs, width, outputs, stride):
        super().__init__()
        if width == outputs:
            layers = [ConvNorm(inputs, width, 3, activation="relu", stride=stride), ConvNorm(width, width, 3)]
        else:
            layers = [
                ConvNorm(inputs, width, 1, activation="relu"),
                ConvNorm(width, width, 3, activation="relu", stride=stride),
                ConvNorm(width, outputs, 1),
            ]
        self.convolutions = nn.Sequential(*layers)
        is_identity = inputs == outputs and stride == 1
        self.shortcut = None if is_identity else ConvNorm(inputs, outputs, 1, stride=stride)

    def forward(self, x):
        return functional.relu(self.convolutions(x) + (x if self.shortcut is None else self.shortcut(x)))


class Resnet(nn.Module):
    def __init__(self, kind, inputs):
        super().__init__()
        self.stem = ConvNorm(inputs, 64, 7, activation="relu", stride=2)
        expansion = 4 if kind == "resnet50" else 1
        stages, before = [], 64
        for stage, repeats in enumerate([2, 2, 2, 2] if kind == "resnet18" else [3, 4, 6, 3]):
            blocks, width = [], 64 << stage
            for index in range(repeats):
                blocks.append(Residual(before, width, width * expansion, 2 if stage and not index else 1))
                before = width * expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, x):
        features = [self.stem(x)]
        x = functional.max_pool2d(features[0], 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class InvertedResidual(nn.Module):
    def __init__(self, inputs, width, outputs, kernel, stride):
        super().__init__()
        self.expand = None if width == inputs else ConvNorm(inputs, width, 1, activation="silu")
        self.depthwise = ConvNorm(width, width, kernel, activation="silu", stride=stride, groups=width)
        self.excitation = SqueezeExcitation(width, inputs // 4, "silu")
        self.project = ConvNorm(width, outputs, 1)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x):
        wide = x if self.expand is None else self.expand(x)
        change = self.project(self.excitation(self.depthwise(wide)))
        return x + change if self.is_residual else change


class EfficientNet(nn.Module):
    # Expansion, kernel, stride, channels and repeats of each stage of B0.
    STAGES = [
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ]
    LAST_OF_RESOLUTION = (0, 1, 2, 4, 6)

    def __init__(self, kind, inputs):
        super().__init__()
        wider, deeper = {"b1": (1.0, 1.1), "b2": (1.1, 1.2), "b3": (1.2, 1.4)}.get(kind[-2:], (1.0, 1.0))

        def scaled(channels):
            wanted = channels * wider
            rounded = max(int(wanted + 4) // 8 * 8, 8)
            return rounded + 8 if rounded < 0.9 * wanted else rounded

        before = scaled(32)
        self.stem = ConvNorm(inputs, before, 3, activation="silu", stride=2)
        stages = []
        for expansion, kernel, stride, channels, repeats in self.STAGES:
            blocks, own = [], scaled(channels)
            for index in range(math.ceil(repeats * deeper)):
                blocks.append(InvertedResidual(before, before * expansion, own, kernel, stride if index == 0 else 1))
                before = own
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, x):
        x = self.stem(x)
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in self.LAST_OF_RESOLUTION:
                features.append(x)
        return features
