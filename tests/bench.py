"""Figures of speed, printed by `make bench`; nothing is asserted."""

import importlib.util
import os
import statistics
import subprocess
import sys
import time

import numpy as np
import pandas as pd

from lib.data.files import ROOT
from lib.study import params, runs

BATCH, SIZE, FILTERS = 4, 128, 16


def seconds(step, repeats=12):
    """Median of a few calls, after two that make the graph."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def keras_step(images, masks):
    """Make one update of the tuned U-Net."""
    import keras

    from lib.network.model import unet

    model = unet((SIZE, SIZE), filters=FILTERS, normalisation="batch")
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    return lambda: model.train_on_batch(images, masks)


def torch_step(images, masks):
    """Make one update of the same U-Net in PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ.get("STUDY_THREADS") or 1))

    def block(before, after):
        layers = []
        for channels in (before, after):
            layers += [nn.Conv2d(channels, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        return nn.Sequential(*layers)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [FILTERS * 2**level for level in range(5)]
            pairs = list(zip(widths, widths[1:], strict=False))
            self.down = nn.ModuleList(block(a, b) for a, b in [(1, widths[0]), *pairs])
            self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in pairs)
            self.join = nn.ModuleList(block(b, a) for a, b in pairs)
            self.last = nn.Conv2d(FILTERS, 1, 1)

        def forward(self, features):
            levels = []
            for level, part in enumerate(self.down):
                features = part(nn.functional.max_pool2d(features, 2) if level else features)
                levels.append(features)
            for level in (3, 2, 1, 0):
                joined = torch.cat([levels[level], self.up[level](features)], 1)
                features = self.join[level](joined)
            return self.last(features)

    model = UNet().train()
    optimiser, loss = torch.optim.Adam(model.parameters()), nn.BCEWithLogitsLoss()
    images, masks = (
        torch.from_numpy(part.transpose(0, 3, 1, 2).copy()) for part in (images, masks)
    )

    def step():
        optimiser.zero_grad()
        loss(model(images), masks).backward()
        optimiser.step()

    return step


def main():
    profile = params.load(os.environ.get("STUDY_PARAMS") or "params/quick.yaml")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(BATCH, SIZE, SIZE, 1)).astype(np.float32)
    masks = (images > 0).astype(np.float32)
    ours = seconds(keras_step(images, masks))
    print(f"a step of {BATCH} images of {SIZE} px: {1000 * ours / BATCH:.0f} ms an image")
    if importlib.util.find_spec("torch"):
        print(f"  {ours / seconds(torch_step(images, masks)):.2f} times that of PyTorch")
    jobs = [pd.read_csv(path, sep="\t") for path in profile.outputs.glob(".bench/**/*.tsv")]
    if jobs:
        core = pd.concat(jobs).cpu_time.sum()
        trained = 60 * pd.read_csv(profile.outputs / "runs.csv").minutes.sum()
        print(f"training is {trained / core:.0%} of {core:.0f} core seconds")
    words = [sys.executable, "-m", "lib.page.commands", "reproduce", str(profile.path)]
    if not runs.jobs(profile, runs.read_record(profile.outputs)):
        start = time.perf_counter()
        subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
        print(f"nothing to do is said after {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
