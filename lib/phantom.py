"""A procedural differential interference contrast (DIC) time lapse with instance labels.

It stands in for DIC-C2DH-HeLa where neither the data nor a network is at hand. Cells are a weighted
partition of moving seeds; their optical path is lit as by DIC slightly out of focus. Lengths are in
pixels of an original frame (512 px, 0.19 um each), positions are column + 1j * row, grey values are
levels of 8 bits. Where no reason is given, a constant was set so that the local standard deviation,
inside and outside the cells, and the look agree with the original's frames.
"""

import itertools
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy.ndimage as ndi
import tifffile

REFERENCE = 512  # px, width of an original frame
SMALLEST = 256  # px; fringes alias on a coarser grid, so smaller frames are drawn so and binned
LEVEL = 119.0  # mean grey level of the original
NOISE = 3.5  # grey levels, white, on the original's bare glass
BLUR = 2.0  # px; gives the original's dark vesicles their radius of 2.5 to 3 px
SHEAR = 0.2  # directional derivative against defocus; the original shows little of it
RADIUS = 62.0  # px, a spread cell: 12 000 px, as in the original's silver truth
ROUND_UP, SPREAD_OUT = 4, 6  # frames (of 10 min) before and after a division
LOBES = np.array([0.20, 0.13, 0.08, 0.05, 0.03, 0.02])  # sd of log radius, orders 2 to 7
MOTION = 5.0  # px a frame; with the outline's change, IoU 0.8 with the frame before, as there
SMALLEST_CELL = 0.001  # of the frame; less of a cell at the border is left to the background


def phantom_video(seed: int, frames: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one time lapse.

    Parameters
    ----------
    seed : int
        Non-negative. The same seed gives the same video.
    frames : int
        Number of frames. Divisions are spread over the video, however long it is.
    size : int
        Height and width in pixels; shapes scale with it.

    Returns
    -------
    images : ndarray of shape (frames, size, size), uint8
        Grey levels.
    labels : ndarray of shape (frames, size, size), uint16
        0 for background, else one id a cell, kept through time; a daughter has an id of its own.
    """
    images, labels, _ = _video(seed, frames, size)
    return images, labels


def write_phantom(folder: Path, *, seed: int, frames: int, size: int) -> None:
    """Write two videos in the layout of the Cell Tracking Challenge.

    Video ``01`` is drawn by `phantom_video` with seed ``2 * seed``, ``02`` with ``2 * seed + 1``.
    The silver truth (``01_ST``) is exact and of every frame; the gold truth (``01_GT``) has all
    cells of every ninth frame, and of every frame one marker a cell and the lineage.

    Parameters
    ----------
    folder : pathlib.Path
        Folder to create. It appears only when it is whole.
    seed, frames, size : int
        As in `phantom_video`.

    Raises
    ------
    FileExistsError
        If `folder` exists.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists; a phantom is never written over another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        whole = Path(beside) / folder.name
        for number in range(2):
            _write_video(whole, f"{number + 1:02d}", *_video(2 * seed + number, frames, size))
        whole.rename(folder)


def _write_video(folder, name, images, labels, parents):
    for frame, (image, label) in enumerate(zip(images, labels, strict=True)):
        _write(folder / name / f"t{frame:03d}.tif", image)
        _write(folder / f"{name}_ST" / "SEG" / f"man_seg{frame:03d}.tif", label)
        _write(folder / f"{name}_GT" / "TRA" / f"man_track{frame:03d}.tif", _markers(label))
        if frame % 9 == 0:
            _write(folder / f"{name}_GT" / "SEG" / f"man_seg{frame:03d}.tif", label)
    tracks = folder / f"{name}_GT" / "TRA" / "man_track.txt"
    tracks.write_text("".join(f"{i} {b} {e} {p}\n" for i, b, e, p in _tracks(labels, parents)))


def _write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, image, compression="zlib")


def _markers(label):
    """Put a disc into each cell, where it is widest; 13 px in radius as in the original."""
    markers = np.zeros_like(label)
    for cell, box in _boxes(label):
        mask = np.pad(label[box] == cell, 1)
        depth = ndi.distance_transform_edt(mask)[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        rows, columns = np.indices(depth.shape)
        radius = min(13 * label.shape[0] / REFERENCE, 0.6 * depth.max())
        disc = np.hypot(rows - row, columns - column) <= radius
        markers[box][disc & mask[1:-1, 1:-1]] = cell
    return markers


def _tracks(labels, parents):
    """List id, first frame, last frame and parent (0 for none) of each cell."""
    seen = [np.unique(label) for label in labels]
    for cell in np.unique(np.concatenate(seen))[1:]:
        frames = [frame for frame, ids in enumerate(seen) if cell in ids]
        yield cell, frames[0], frames[-1], parents[cell]


def _boxes(label):
    return [(i, box) for i, box in enumerate(ndi.find_objects(label), 1) if box is not None]


def _video(seed, frames, size):
    """Return images, labels and a dictionary from each id to its parent's (0 for none)."""
    rng = np.random.default_rng(seed)
    binning = max(1, -(-SMALLEST // size))
    width = size * binning
    ids, phase = itertools.count(1), rng.uniform(0, 2 * np.pi)
    cells, fields = _first_cells(rng, ids, frames), _fields(rng, width)
    glass, debris = _glass(rng, width), _debris(rng)
    images = np.empty((frames, size, size), np.uint8)
    labels = np.empty((frames, size, size), np.uint16)
    parents = {}
    for frame in range(frames):
        cells = _move([new for cell in cells for new in _divide(cell, rng, ids, frame)], rng, frame)
        now = [np.cos(frame / 8) * a + np.sin(frame / 8) * b for a, b in fields]  # a slow boil
        time = frame / max(1, frames - 1)
        share = 0.40 + 0.19 * time + 0.03 * np.sin(phase + 9 * time)  # of cells, as in the original
        label, depth = _partition(cells, now[1], share)
        image = _micrograph(_path(cells, label, depth, now, debris, rng), glass, rng)
        images[frame] = image.reshape(size, binning, size, binning).mean((1, 3)).round()
        labels[frame] = label[binning // 2 :: binning, binning // 2 :: binning]
        cells = [cell for cell in cells if (labels[frame] == cell.id).any()]  # gone is gone
        parents |= {cell.id: cell.parent for cell in cells}
    return images, labels, parents


def _gauss(rng, n):
    """Draw n complex numbers, each part of unit variance."""
    return rng.standard_normal(n) + 1j * rng.standard_normal(n)


def _fields(rng, width):
    """Draw pairs of periodic noise of unit sd: texture, ragged margin, patches."""
    pairs = []
    for sigma in (0, 6, 32):  # px: below the blur, a ruffle, half a cell
        noise, blur = rng.standard_normal((2, width, width)), sigma * width / REFERENCE
        pair = ndi.gaussian_filter(noise, (0, blur, blur), mode="wrap")
        pairs.append(pair / pair.std())
    return pairs


def _glass(rng, width):
    """Draw what stays: uneven illumination (sd 1.2 levels) and dust out of focus."""
    light, dust = rng.standard_normal((width, width)), np.zeros((width, width))
    light = ndi.gaussian_filter(light, 130 * width / REFERENCE, mode="wrap")
    blur = 5 * width / REFERENCE
    _stamp(dust, np.ones_like(dust), rng.uniform(0, REFERENCE, (8, 2)) @ [1, 1j], blur**2)
    return LEVEL + 1.2 * light / light.std() - 50 * ndi.gaussian_filter(dust, blur)


def _debris(rng):
    """Scatter flocks of specks over the glass: positions and contrasts."""
    flocks = np.repeat(rng.uniform(0, REFERENCE, (14, 2)) @ [1, 1j], 14)
    return flocks + 9 * _gauss(rng, flocks.size), rng.uniform(-20, 45, flocks.size)


def _first_cells(rng, ids, frames):
    """Place cells side by side in a clump, their divisions spread evenly over the video."""
    centres = [complex(*rng.uniform(150, 360, 2))]
    while len(centres) < 10:  # as many as the original's first frames
        near = centres[rng.integers(len(centres))]
        place = near + rng.uniform(90, 140) * np.exp(2j * np.pi * rng.random())
        free = np.abs(np.array(centres) - place).min() > 88
        if free and abs(place.real - 256) < 270 and abs(place.imag - 256) < 270:
            centres.append(place)
    # 0.16 of the video apart: six divisions, so 16 cells in the end if none leaves
    divisions = frames * (0.1 + 0.16 * rng.permutation(len(centres)) + rng.uniform(0, 0.1))
    return [
        _cell(rng, next(ids), centre, RADIUS * rng.uniform(0.85, 1.15), -99, divides)
        for centre, divides in zip(centres, divisions, strict=True)
    ]


def _cell(rng, number, centre, radius, born, divides, parent=0):
    """Make a cell: its state, and its looks for life (offsets in radii, contrasts in levels)."""
    # retraction fibres stand in tufts
    fibres = rng.uniform(0, 6.28, rng.integers(2, 9)).repeat(5)
    fibres += 0.2 * rng.standard_normal(fibres.size)
    return SimpleNamespace(
        id=number,
        parent=parent,
        centre=centre,
        radius=radius,
        born=born,
        divides=divides,
        velocity=0j,
        axis=np.exp(1j * rng.uniform(0, np.pi)),
        outline=LOBES * _gauss(rng, LOBES.size),
        height=110 * np.exp(0.5 * rng.standard_normal()),  # the flattest are nearly invisible
        edge=rng.uniform(4, 14),  # px over which the margin rises
        grain=8 * np.exp(0.35 * rng.standard_normal()),
        origin=rng.integers(0, REFERENCE, 2),
        nucleus=0.1 * _gauss(rng, 1)[0],
        oval=rng.uniform([0.42, 0.34], [0.56, 0.44]),
        nucleoli=0.13 * _gauss(rng, rng.integers(2, 5)),
        # vesicles in three groups around the nucleus; the bright ones (-1) are vacuoles
        vesicles=rng.uniform(0.35, 0.95, 48)
        * np.exp(1j * (np.repeat(rng.uniform(0, 6.28, 3), 16) + 0.7 * rng.standard_normal(48))),
        dots=rng.uniform(15, 75, 48) * rng.choice([1, -0.8, 0], 48, p=rng.dirichlet([6, 2, 4])),
        fibres=np.exp(1j * fibres),
        tilts=np.exp(0.3j * rng.standard_normal(fibres.size)),
        lengths=rng.exponential(20, fibres.size),
        thickness=rng.uniform(1, 8, fibres.size),
    )


def _divide(cell, rng, ids, frame):
    if frame < cell.divides:
        return [cell]
    apart = 0.45 * cell.radius * cell.axis * 1j  # across the plate of the chromosomes
    return [
        _cell(rng, next(ids), place, cell.radius * 0.8, frame, np.inf, cell.id)
        for place in (cell.centre - apart, cell.centre + apart)
    ]


def _move(cells, rng, frame):
    """Move, deform, grow and round up the cells by one frame."""
    middle = (1 + 1j) * REFERENCE / 2
    centres, radii = (np.array([getattr(c, name) for c in cells]) for name in ("centre", "radius"))
    for cell in cells:
        away = cell.centre - centres
        gap = np.abs(away) / (cell.radius + radii)
        push = np.where(gap < 0.85, 0.85 - gap, -0.05 * (gap < 1.2))  # near ones adhere
        cell.velocity = 0.7 * cell.velocity + 0.5 * MOTION * _gauss(rng, 1)[0]
        cell.centre += cell.velocity + 12 * (push * away / np.maximum(np.abs(away), 1)).sum()
        if abs(cell.centre - middle) > 250:  # few leave, so that the video keeps its cells
            cell.centre -= 0.03 * (cell.centre - middle)
        cell.outline = 0.9 * cell.outline + 0.44 * LOBES * _gauss(rng, LOBES.size)  # keeps its sd
        cell.radius += 0.02 * (RADIUS - cell.radius)
        to, since = (cell.divides - frame) / ROUND_UP, (frame - cell.born) / SPREAD_OUT
        cell.round = float(np.clip(1 - min(to, since), 0, 1))
    return cells


def _outline(cell, direction):
    """Return the radius (px) in each direction, a unit complex number."""
    total = np.zeros_like(direction)
    for lobe in cell.outline[::-1]:  # Horner's rule is cheaper than angles at every pixel
        total = (total + lobe) * direction
    lobed = np.exp((1 - cell.round) * (total * direction).real)
    return cell.radius * (1 - 0.38 * cell.round) * lobed  # a sphere covers less than a spread cell


def _around(cell, width):
    """Return a box that holds a cell, cut to the frame, and offsets from its centre in px."""
    # the margin may lie outside the outline, where few cells have to fill the share
    reach = 1.6 * _outline(cell, np.exp(1j * np.arange(0, 6.3, 0.1))).max()
    scale, centre = width / REFERENCE, np.array([cell.centre.imag, cell.centre.real])
    low, high = (np.clip((centre + r) * scale, 0, width).astype(int) for r in (-reach, reach))
    rows, columns = (np.arange(a, b) for a, b in zip(low, high, strict=True))
    offset = (columns + 0.5) / scale + 1j * (rows[:, None] + 0.5) / scale - cell.centre
    return (slice(low[0], high[0]), slice(low[1], high[1])), offset


def _outwards(cell, offset):
    """Return how far out each offset is: 0 at a cell's centre, 1 at its outline."""
    distance = np.abs(offset)
    return distance / _outline(cell, offset / np.maximum(distance, 1e-9))


def _partition(cells, ragged, share):
    """Give each pixel to the cell it is deepest in, the outermost to none.

    Returns labels and the depth in px: to the cell's margin inside, negative outside.
    """
    best, second = np.full((2, *ragged.shape), -1.0)
    owner = np.zeros(ragged.shape, int)
    for cell in cells:
        box, offset = _around(cell, len(ragged))
        stiffness = 1 + 3 * cell.round  # its neighbours give way to a round cell
        inside = stiffness * (1 - _outwards(cell, offset))
        wins = inside > best[box]
        second[box] = np.where(wins, best[box], np.maximum(second[box], inside))
        best[box] = np.where(wins, inside, best[box])
        owner[box][wins] = cell.id
    ragged = 0.025 * ragged  # 1.5 px; only the free margin, as contacts are smooth
    rim = np.quantile(best + ragged, 1 - share) - ragged
    owner[best < rim] = 0
    depth = RADIUS * np.where(owner > 0, best - np.maximum(second, rim), best - rim)
    return _tidy(owner), depth


def _tidy(owner):
    """Keep the largest piece of each cell, and no sliver at the border."""
    label = np.zeros_like(owner)
    for cell, box in _boxes(owner):
        pieces, _ = ndi.label(owner[box] == cell)
        areas = np.bincount(pieces.ravel())[1:]
        if areas.max() > SMALLEST_CELL * owner.size:
            label[box][pieces == 1 + areas.argmax()] = cell
    return label


def _path(cells, label, depth, fields, debris, rng):
    """Return the optical path, in grey levels of the contrast that it gives."""
    grain, ragged, patches = fields
    sigma = BLUR * len(label) / REFERENCE
    grain = grain * sigma / 0.4  # 0.4 / sigma is the sd of the Laplacian's answer to white noise
    point = np.pi * sigma**2  # 1 / point is its answer to a point
    bare = label == 0
    lamella = 10 * np.exp(np.minimum(depth, 0) / 15)  # thin skirt of the cells, no truth has it
    remains = 12 * np.clip(patches - 0.4, 0, 1) * np.abs(ragged)  # clumps, left on the glass
    path = np.where(bare, (lamella + remains) * grain, 0)
    for cell in cells:
        box, offset = _around(cell, len(label))
        mask = label[box] == cell.id
        if mask.any():
            texture = _texture(cell, box, grain) * np.exp(0.3 * patches[box])
            offset -= offset[mask].mean()  # the nucleus stays in the middle
            path[box] += mask * _interior(cell, offset, depth[box], patches[box], texture)
    for cell in cells:
        vesicles = cell.vesicles + 0.03 * _gauss(rng, cell.vesicles.size)
        vesicles *= _outline(cell, vesicles / np.abs(vesicles))
        visible = point * (1 - cell.round) * cell.dots
        _stamp(path, label == cell.id, cell.centre + vesicles, visible)
        along, start = np.arange(40)[:, None], 0.9 * _outline(cell, cell.fibres)
        places = cell.centre + cell.fibres * (start + along * cell.tilts)
        visible = point * cell.thickness * (along < cell.lengths + 0.1 * start)
        _stamp(path, bare, places, visible)
    _stamp(path, bare, debris[0], point * debris[1])
    return path


def _texture(cell, box, grain):
    """Cut a cell's own piece, which moves with it, out of periodic texture."""
    shift = np.array([cell.centre.imag, cell.centre.real]) * len(grain) / REFERENCE
    shift = cell.origin - shift.astype(int)
    rows, columns = (np.arange(s.start, s.stop) + d for s, d in zip(box, shift, strict=True))
    return np.take(np.take(grain, rows, 0, mode="wrap"), columns, 1, mode="wrap")


def _interior(cell, offset, depth, patches, texture):
    """Return the path through one cell: a plateau with a margin, nucleus, nucleoli and grain."""
    flat, ball = 1 - cell.round, cell.round**3
    rise = 1 - 0.7 * np.exp(-np.maximum(depth, 0) / cell.edge)
    path = flat * cell.height * rise * np.clip(0.7 + 0.4 * patches, 0.15, 1.4)
    # so thick a ball focuses the light, which reverses the contrast
    path -= ball * (350 * np.clip(1 - _outwards(cell, offset) ** 2, 0, 1) + 250)
    turned = offset / cell.axis / cell.radius - cell.nucleus
    oval = np.hypot(turned.real / cell.oval[0], turned.imag / (cell.oval[1] - 0.25 * cell.round))
    path += 25 * flat * np.exp(-(((oval - 1) / 0.07) ** 2))  # envelope
    path -= 90 * ball * (oval < 1)  # plate of chromosomes
    for nucleolus in cell.nucleoli:
        path += 60 * flat * np.exp(-0.5 * np.abs((turned - nucleolus) / 0.07) ** 2)
    around = 0.8 + 0.6 * np.exp(-np.abs(oval - 1) / 0.3)  # organelles gather around the nucleus
    organelles = cell.grain * (rise + 0.5 * cell.round) * np.where(oval < 1, 0.7, around)
    return path + organelles * texture


def _stamp(path, allowed, places, values):
    """Add points to the path where they are allowed."""
    rows = np.floor(places.imag * len(path) / REFERENCE).astype(int)
    columns = np.floor(places.real * len(path) / REFERENCE).astype(int)
    within = (np.minimum(rows, columns) >= 0) & (np.maximum(rows, columns) < len(path))
    rows, columns = rows[within], columns[within]
    values = np.broadcast_to(values, within.shape)[within]
    np.add.at(path, (rows, columns), values * allowed[rows, columns])


def _micrograph(path, glass, rng):
    """Light an optical path: blur of the optics, shear (DIC) and defocus, shot noise."""
    scale = len(path) / REFERENCE
    sigma = BLUR * scale
    blurred = ndi.gaussian_filter(path, sigma, mode="nearest")
    rows, columns = np.gradient(blurred)
    image = sigma**2 * ndi.laplace(blurred, mode="nearest")
    image += SHEAR * sigma * (rows + columns) / np.sqrt(2)  # at 45 degrees
    image += glass
    shot = NOISE * scale * np.sqrt(np.maximum(image, 0) / LEVEL)
    return np.clip(image + shot * rng.standard_normal(image.shape), 0, 255)
