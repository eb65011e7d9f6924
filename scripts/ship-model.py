"""Copies a run into a folder of models, its weights in half precision.

    python scripts/ship-model.py runs/drainage models/drainage

It copies config.toml, run.json without device, intervals.json, and best.safetensors. Evaluate the run first,
which writes intervals.json. Score the copy, not the run: the weights are rounded.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np


def halved(weights: bytes) -> bytes:
    """The same safetensors file with every float32 tensor as float16."""
    (length,) = struct.unpack("<Q", weights[:8])
    header = json.loads(weights[8 : 8 + length])
    data = weights[8 + length :]
    out, tensors = b"", {}
    for name, tensor in sorted(header.items()):
        if name == "__metadata__":
            tensors[name] = tensor
            continue
        start, end = tensor["data_offsets"]
        values = data[start:end]
        if tensor["dtype"] == "F32":
            values = np.frombuffer(values, "<f4").astype("<f2").tobytes()
            tensor = {**tensor, "dtype": "F16"}
        tensors[name] = {**tensor, "data_offsets": [len(out), len(out) + len(values)]}
        out += values
    text = json.dumps(tensors, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + out


def rounded(value):
    """A JSON value with its numbers rounded to five decimals."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value


def main(run: Path, model: Path) -> None:
    model.mkdir(parents=True, exist_ok=True)
    card = json.loads((run / "run.json").read_text())
    name = card["name"]
    card["device"] = "cpu"
    card["name"] = model.name
    for member in card["members"]:
        member["wall_seconds"] = round(member["wall_seconds"])
    (model / "run.json").write_text(json.dumps(card, indent=1) + "\n")
    config = (run / "config.toml").read_text()
    (model / "config.toml").write_text(config.replace(f'name = "{name}"', f'name = "{model.name}"', 1))
    (model / "intervals.json").write_text(json.dumps(rounded(json.loads((run / "intervals.json").read_text()))) + "\n")
    (model / "best.safetensors").write_bytes(halved((run / "best.safetensors").read_bytes()))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
