"""A procedural time lapse of differential interference contrast (DIC) with instance labels.

It stands in where neither the data nor a network is at hand. Cells share the frame as a partition
of moving, dividing seeds; their optical path is lit as by DIC. Lengths are px of a frame whose
longer side has 512, positions column + 1j * row, grey values levels of 8 bits. Constants make
number, size, motion and contrast of the cells like those of DIC-C2DH-HeLa.
"""

from types import SimpleNamespace

import numpy as np
import scipy.ndimage as ndi
import tifffile

REFERENCE, COARSEST = 512, 256  # px; smaller frames are drawn larger and binned
RADIUS, MOTION, LEVEL, NOISE = 62, 8, 119, 3.5


def write_phantom(folder, *, seed, frames, shape):
    """Write two videos in the challenge's layout, with silver truth and markers of every frame."""
    for number in (0, 1):
        name, tracks = f"{number + 1:02d}", {}
        for frame, (image, labels) in enumerate(phantom_video(2 * seed + number, frames, shape)):
            parts = {f"{name}/t": image, f"{name}_ST/SEG/man_seg": labels}
            parts[f"{name}_GT/TRA/man_track"] = _markers(labels)
            if frame % 9 == 0:
                parts[f"{name}_GT/SEG/man_seg"] = labels
            for stem, array in parts.items():
                path = folder / f"{stem}{frame:03d}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, array, compression="zlib")
            for cell in np.unique(labels[labels > 0]):
                tracks.setdefault(cell, [frame, frame])[1] = frame
        rows = [f"{cell} {first} {last} 0\n" for cell, (first, last) in tracks.items()]
        (folder / f"{name}_GT/TRA/man_track.txt").write_text("".join(rows))


def _markers(labels):
    """Mark each cell where it is widest."""
    markers = np.zeros_like(labels)
    for cell, box in enumerate(ndi.find_objects(labels), 1):
        if box:
            depth = ndi.distance_transform_edt(np.pad(labels[box] == cell, 1))[1:-1, 1:-1]
            markers[box][depth > 0.7 * depth.max()] = cell
    return markers


def phantom_video(seed, frames, shape):
    """Draw one frame after the other: image (uint8) and labels (uint16), both of shape `shape`."""
    rng = np.random.default_rng(seed)
    binning = max(1, -(-COARSEST // max(shape)))
    grid = tuple(side * binning for side in shape)
    scale = max(grid) / REFERENCE
    rows, columns = np.indices(grid) / scale
    middle = complex(grid[1], grid[0]) / scale / 2
    noise = [_noise(rng, grid, sigma * scale) for sigma in (2, 6, 25, 25, 32, 130)]
    grain, ragged, *warp, patches, light = noise
    plane = columns + 1j * rows + 13 * (warp[0] + 1j * warp[1])  # so that outlines are not round
    cells = _first_cells(rng, middle, frames)
    born = len(cells)
    for frame in range(frames):
        for mother in [cell for cell in cells if frame >= cell.divides]:
            apart = 0.9 * RADIUS * np.exp(6.28j * rng.random())
            cells.remove(mother)
            cells += [_cell(rng, born + i, mother.centre + (i - 1.5) * apart) for i in (1, 2)]
            born += 2
        _move(rng, cells, middle)
        share = 0.41 + 0.18 * frame / max(1, frames - 1)  # of the frame is cells
        labels, depth = _partition(cells, plane, 0.02 * ragged, share)
        image = 5 * grain * np.clip(patches, 0, 2)  # remains lie on the glass
        path = np.zeros(grid)
        for cell in cells:
            inside = labels == cell.id
            shift = int(cell.centre.imag * scale), int(cell.centre.real * scale) + 97 * cell.id
            texture = np.roll(grain, shift, (0, 1))[inside]  # moves with the cell
            nucleus = np.abs(plane[inside] - cell.centre) < 0.4 * RADIUS
            image[inside] = cell.grain * np.where(nucleus, 0.5, 1) * texture
            path[inside] = cell.height * (1 + 0.2 * nucleus - np.exp(-depth[inside] / 6))
        slope = sum(np.gradient(ndi.gaussian_filter(path, 2 * scale), 1 / scale))
        image += LEVEL + light + slope + NOISE * scale * rng.standard_normal(grid)
        image = image.reshape(shape[0], binning, shape[1], binning).mean((1, 3))
        labels = labels[binning // 2 :: binning, binning // 2 :: binning]
        cells = [cell for cell in cells if (labels == cell.id).any()]  # gone is gone
        yield image.clip(0, 255).round().astype(np.uint8), labels.astype(np.uint16)


def _noise(rng, grid, sigma):
    noise = ndi.gaussian_filter(rng.standard_normal(grid), sigma, mode="wrap")
    return noise / noise.std()


def _cell(rng, number, centre, divides=np.inf):
    height, grain = np.exp(0.5 * rng.standard_normal(2)) * (90, 5)  # the flattest hardly show
    look = {"size": RADIUS * rng.uniform(0.85, 1.15), "height": height, "grain": grain}
    return SimpleNamespace(id=number, centre=centre, divides=divides, velocity=0j, **look)


def _first_cells(rng, middle, frames):
    """Place cells side by side in a clump; most divide in the course of the video."""
    columns, rows = (np.arange(40, 2 * side, 105) for side in (middle.real, middle.imag))
    places = (columns + 1j * rows[:, None]).ravel()
    places = places + rng.uniform(-25, 25, (places.size, 2)) @ [1, 1j]
    clump = np.argsort(np.abs(places - middle - rng.uniform(-90, 90, 2) @ [1, 1j]))
    count = max(2, round(0.4 * places.size))
    ends = frames * rng.permutation(np.linspace(0.1, 1.6, count))
    return [_cell(rng, i + 1, places[clump[i]], ends[i]) for i in range(count)]


def _move(rng, cells, middle):
    centres = np.array([cell.centre for cell in cells])
    for cell in cells:
        away = cell.centre - centres
        push = np.clip(1.7 * RADIUS - np.abs(away), 0, None) * away / np.maximum(np.abs(away), 1)
        cell.velocity = 0.7 * cell.velocity + 0.5 * MOTION * (rng.standard_normal(2) @ [1, 1j])
        cell.centre += cell.velocity + 0.1 * push.sum() - 0.01 * (cell.centre - middle)


def _partition(cells, plane, ragged, share):
    """Give each pixel to the cell it is deepest in, the outermost to none; and the depth in px."""
    inside = np.stack([1 - np.abs(plane - cell.centre) / cell.size for cell in cells])
    owner = np.array([cell.id for cell in cells])[inside.argmax(axis=0)]
    second, best = np.partition(inside, -2, axis=0)[-2:]
    rim = np.quantile(best + ragged, 1 - share) - ragged
    labels = np.zeros_like(owner)
    for cell, box in enumerate(ndi.find_objects(np.where(best < rim, 0, owner)), 1):
        if box:  # the largest piece of each cell, and no sliver
            pieces, _ = ndi.label((owner[box] == cell) & (best[box] >= rim[box]))
            areas = np.bincount(pieces.ravel())[1:]
            if areas.max() > owner.size / 1000:
                labels[box][pieces == 1 + areas.argmax()] = cell
    return labels, RADIUS * (best - np.maximum(second, rim))
