"""Pictures of frames, cells and weights, the frame viewer, and the network as a drawing."""

import io
import math
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import binary_dilation, uniform_filter
from skimage.color import label2rgb
from skimage.segmentation import find_boundaries

from lib.page.html import TEMPLATES, data_uri, piece
from lib.page.style import style
from lib.scoring.cells import overlaps
from lib.scoring.intervals import is_video_fold

# Seen on every grey, and by the colour-blind: true and found outlines, found cells that hold
# several true ones, true cells that were cut in several.
TRUTH, FOUND, MERGED, SPLIT = "#00e5ff", "#ffb000", "#ff2d95", "#7cff6b"


def picture(values, limits=(0, 1)):
    """Colour an array of shape (M, N) as uint8, shape (M, N, 3).

    Integers are grey values, of which half a per cent is cut off at each end; floats are a map on a
    scale; an array of shape (M, N, 3) has its colours, as uint8 or as float from 0 to 1.
    """
    values = np.asarray(values)
    if values.ndim == 3:
        return values if values.dtype == np.uint8 else np.uint8(255 * values)
    scale, colours = Normalize(*limits), "viridis"
    if np.issubdtype(values.dtype, np.integer):
        scale, colours = Normalize(*np.percentile(values, [0.5, 99.5])), "gray"
    return matplotlib.colormaps[colours](scale(np.float64(values)), bytes=True)[..., :3]


def save_picture(values, path, limits=(0, 1)):
    """Write an array, coloured by `picture`, as an image file of its own size."""
    path, image = Path(path), Image.fromarray(picture(values, limits))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=85) if path.suffix == ".jpg" else image.quantize(256).save(path)


def save_strip(panels, path, limits=(0, 1)):
    """Save arrays as pictures, and return their paths by title, as `figure` takes them."""
    path = Path(path)
    paths = {title: path.with_stem(f"{path.stem}_panel{n}") for n, title in enumerate(panels, 1)}
    for title, values in panels.items():
        save_picture(values, paths[title], limits)
    return paths


def grey(image):
    """Bring an image of any range to grey values, uint8, that `picture` shows as such."""
    low, high = np.min(image), np.max(image)
    return np.uint8(255 * (image - low) / max(high - low, 1e-6))


def closeup(values, side):
    """Find the square of `side` px in which a map, shape (M, N), has most, as a pair of slices."""
    most = uniform_filter(np.float64(values), side, mode="constant")
    middle = np.unravel_index(most.argmax(), most.shape)
    starts = (
        min(max(at - side // 2, 0), n - side) for at, n in zip(middle, most.shape, strict=True)
    )
    return tuple(slice(start, start + side) for start in starts)


def fit(values, shape):
    """Repeat the pixels of a map, so that it has the size of a frame."""
    rows, columns = (np.arange(n) * k // n for n, k in zip(shape, values.shape, strict=True))
    return values[rows[:, None], columns]


def coloured(labels):
    """Give each cell a colour, on black."""
    return label2rgb(labels, colors=matplotlib.colormaps["tab20"].colors, bg_color="black")


@style()
def strip(panels, *, columns=6, limits=(0, 1), bar="", pixel=0.0):
    """Draw arrays of one shape side by side, by title, each coloured by `picture`, as a Figure.

    All maps share one scale, `limits`, whose bar says `bar`, if anything. `pixel` is how many
    micrometres one of the first panel is, for a scale bar; 0 unknown.
    """
    columns = min(columns, len(panels))
    lines = math.ceil(len(panels) / columns)
    rows, cols = np.shape(next(iter(panels.values())))[:2]
    figure = Figure(figsize=(9, lines * (9 / columns * rows / cols + 0.3)), layout="compressed")
    bare = {"frameon": False, "xticks": [], "yticks": []}
    grid = figure.subplots(lines, columns, squeeze=False, subplot_kw=bare)
    for axes, (title, values) in zip(grid.flat, panels.items(), strict=False):
        axes.imshow(picture(values, limits))
        axes.set_title(title, size=8 if columns > 4 else 9)
    if pixel:
        length = max(size for size in (1, 2, 5, 10, 20, 50) if size <= max(1, cols * pixel / 4))
        ends = 0.96 * cols - length / pixel, 0.96 * cols
        grid[0, 0].plot(ends, [0.95 * rows] * 2, lw=2.5, color="white", solid_capstyle="butt")
        grid[0, 0].text(sum(ends) / 2, 0.92 * rows, f"{length} µm", color="white", ha="center")
    if bar:
        scale = figure.colorbar(ScalarMappable(Normalize(*limits)), ax=grid, label=bar, pad=0.02)
        scale.outline.set_visible(False)
    return figure


def outlined(image, labels, cells=None):
    """Outline true and found cells on an image, all of shape (M, N), and fill what is wrong.

    Returns uint8, shape (2M, 2N, 3): found outlines in `FOUND` over true ones in `TRUTH`; found
    cells that hold several true ones in `MERGED`, true ones in several pieces in `SPLIT`.
    """
    cells = np.zeros_like(labels) if cells is None else cells
    image, labels, cells = (a.repeat(2, 0).repeat(2, 1) for a in (image, labels, cells))
    shared, drawn = overlaps(labels, cells), np.float32(picture(image))
    # One lies in the other by more than half.
    merged = (2 * shared > shared.sum(axis=1, keepdims=True))[1:, 1:].sum(axis=0) > 1
    split = (2 * shared > shared.sum(axis=0, keepdims=True))[1:, 1:].sum(axis=1) > 1
    for ids, wrong, colour in ((cells, merged, MERGED), (labels, split, SPLIT)):
        inside = np.isin(ids, np.unique(ids[ids > 0])[wrong])
        drawn[inside] = 0.8 * drawn[inside] + 0.2 * 255 * np.array(to_rgb(colour))
    drawn[binary_dilation(find_boundaries(labels))] = 255 * np.array(to_rgb(TRUTH))
    drawn[find_boundaries(cells)] = 255 * np.array(to_rgb(FOUND))
    return np.uint8(drawn)


def warped_grid(displacement, step):
    """Draw what a displacement, shape (2, M, N), does to a grid with lines every `step` px."""
    source = np.indices(displacement.shape[1:]) + displacement
    away = np.abs((source + step / 2) % step - step / 2).min(axis=0)
    width = max(displacement.shape) / 200  # of half a line, px: seen in a frame drawn small, too
    return np.uint8(255 * np.clip(away / width, 0, 1))


def viewer_frames(results, arms, words):
    """Collect for `viewer` what the first runs of some arms found in the frames that are kept."""
    frames, held_out = {}, [fold for fold in results.folds if is_video_fold(fold)]
    for fold in held_out or results.folds:
        for arm in arms:
            for kept in results.examples(arm, fold).values():
                title = f"video {kept['video']}, frame {kept['frame']} (fold {fold})"
                image, labels = results.frame(str(kept["video"]), int(kept["frame"]))
                frame = frames.setdefault(title, {"image": image, "labels": labels, "found": {}})
                frame["found"][words[arm]] = kept["cells"]
    return frames


def viewer(frames, first, *, number, caption):
    """Make a viewer: choose frame and network, and wipe from what it found to the truth.

    `frames` maps titles to image and labels, shape (M, N), and found: cells by words of the arm,
    of which `first` is shown first. Without scripts it is a picture.
    """
    data = {
        title: {
            "image": _png(Image.fromarray(picture(frame["image"])).convert("L")),
            "truth": _outline(frame["labels"], TRUTH),
            "found": {arm: _outline(cells, FOUND) for arm, cells in frame["found"].items()},
        }
        for title, frame in frames.items()
    }
    known = next(iter(frames.values()))["found"]
    arms = dict.fromkeys(arm for frame in frames.values() for arm in frame["found"])
    arms = sorted(arms, key=lambda arm: (arm not in known, arm != first))
    return piece("viewer", number, caption, data, arms)


def architecture(model):
    """Draw Figure 1, a U-Net of `lib.network.model`, as SVG, every number read from the model."""
    blocks = {}
    for name in (layer.name for layer in model.layers if layer.name.endswith("_conv1")):
        first, second = (model.get_layer(f"{name[:-1]}{place}") for place in (1, 2))
        shapes = [tensor.shape[1:] for tensor in (first.input, first.output, second.output)]
        blocks[name.removesuffix("_conv1")] = shapes
    blocks["logits"] = [model.get_layer("logits").output.shape[1:]]
    kinds = [type(layer).__name__ for layer in model.layers]
    return TEMPLATES.get_template("unet.svg.j2").render(
        blocks=blocks,
        most=max(shape[-1] for shapes in blocks.values() for shape in shapes),
        parameters=model.count_params(),
        counts={kind: kinds.count(kind) for kind in kinds},
    )


def _outline(ids, colour):
    """Draw outlines of a colour on nothing: two indexed colours make a small file."""
    outline = Image.fromarray(np.uint8(find_boundaries(ids, mode="inner")), mode="P")
    outline.putpalette([0, 0, 0, *bytes.fromhex(colour[1:])])
    return _png(outline, transparency=0)


def _png(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True, **options)
    return data_uri(buffer.getvalue(), "image/png")
