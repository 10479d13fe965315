"""Pictures of frames, cells and weights, the frame viewer, and the network as a drawing."""

import io
from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image, ImageColor
from scipy.ndimage import binary_dilation, uniform_filter
from skimage.color import label2rgb
from skimage.segmentation import find_boundaries

from lib.page.html import TEMPLATES, data_uri, notice, piece
from lib.page.style import style
from lib.scoring.intervals import is_video_fold

TRUTH, FOUND = "#00e5ff", "#ffb000"  # outlines, seen on every grey, and by the colour-blind


def picture(values, limits=(0, 1)):
    """Colour an array (M, N), integers in grey, floats by a map; one (M, N, 3) has its colours."""
    values = np.asarray(values)
    if values.ndim == 3:
        return values if values.dtype == np.uint8 else np.uint8(255 * values)
    scale, colours = Normalize(*limits), "viridis"
    if np.issubdtype(values.dtype, np.integer):  # half a per cent is cut off at each end
        scale, colours = Normalize(*np.percentile(values, [0.5, 99.5])), "gray"
    return matplotlib.colormaps[colours](scale(np.float64(values)), bytes=True)[..., :3]


def save_strip(panels, path, limits=(0, 1)):
    """Save arrays, coloured by `picture`, in their own size, and return the paths by title."""
    path, paths = Path(path), {}
    path.parent.mkdir(parents=True, exist_ok=True)
    for place, (title, values) in enumerate(panels.items(), 1):
        paths[title] = path.with_stem(f"{path.stem}_panel{place}")
        image = Image.fromarray(picture(values, limits))
        (image if path.suffix == ".jpg" else image.quantize(256)).save(paths[title], quality=85)
    return paths


def grey(image):
    """Bring an image of any range to grey values, uint8."""
    low, high = np.min(image), np.max(image)
    return np.uint8(255.0 * (image - low) / max(high - low, 1e-6))


def closeup(values, side):
    """Find the square of `side` px in which a map, shape (M, N), has most, as two slices."""
    most = uniform_filter(np.float64(values), side, mode="constant")
    middle = np.unravel_index(most.argmax(), most.shape)
    starts = np.clip(np.array(middle) - side // 2, 0, np.array(most.shape) - side)
    return tuple(slice(start, start + side) for start in starts)


def coloured(labels):
    """Give each cell a colour, on black."""
    return label2rgb(labels, colors=matplotlib.colormaps["tab20"].colors, bg_color="black")


@style()
def strip(panels, *, limits=(0, 1), bar=""):
    """Draw arrays of one shape in a row, by title, all maps on one scale, whose bar says `bar`."""
    rows, cols = np.shape(next(iter(panels.values())))[:2]
    figure = Figure(figsize=(9, 9 / len(panels) * rows / cols + 0.3), layout="compressed")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, values) in zip(grid, panels.items(), strict=True):
        axes.imshow(picture(values, limits))
        axes.set_title(title, size=8)
        axes.set_axis_off()
    if bar:
        scale = figure.colorbar(ScalarMappable(Normalize(*limits)), ax=grid, label=bar, pad=0.02)
        scale.outline.set_visible(False)
    return figure


def outlined(image, labels, cells=None):
    """Outline true cells in `TRUTH` and found ones in `FOUND` on an image, at twice its size."""
    cells = np.zeros_like(labels) if cells is None else cells
    image, labels, cells = (a.repeat(2, 0).repeat(2, 1) for a in (image, labels, cells))
    drawn = picture(image)
    drawn[binary_dilation(find_boundaries(labels))] = ImageColor.getrgb(TRUTH)
    drawn[find_boundaries(cells)] = ImageColor.getrgb(FOUND)
    return drawn


def warped_grid(displacement, step):
    """Draw what a displacement, shape (2, M, N), does to a grid with lines every `step` px."""
    source = np.indices(displacement.shape[1:]) + displacement
    away = np.abs((source + step / 2) % step - step / 2).min(axis=0)
    width = max(displacement.shape) / 200  # of half a line, px: seen in a frame drawn small, too
    return np.uint8(255 * np.clip(away / width, 0, 1))


def viewer(results, words, *, number, caption):
    """Make a viewer: choose frame and network of `words`, and wipe from what it found to truth."""
    frames = {}
    for fold in [fold for fold in results.folds if is_video_fold(fold)] or results.folds:
        for arm, name in words.items():
            for kept in results.examples(arm, fold).values():
                title = f"video {kept['video']}, frame {kept['frame']}"
                title += "" if is_video_fold(fold) else f" (fold {fold})"
                if title not in frames:
                    image, labels = results.frame(str(kept["video"]), int(kept["frame"]))
                    shown = _png(Image.fromarray(picture(image)).convert("L"))
                    frames[title] = {"image": shown, "truth": _outline(labels, TRUTH), "found": {}}
                frames[title]["found"][name] = _outline(kept["cells"], FOUND)
    if not frames:
        return notice("No network to show yet.", "note")
    # Those that the first frame has come first: one of them is shown with it.
    networks = dict.fromkeys(name for frame in frames.values() for name in frame["found"])
    return piece("viewer", number, caption, frames, list(networks))


def architecture(model):
    """Draw Figure 1, a U-Net, as SVG, every number read from the model."""
    blocks = {}
    for first in (layer for layer in model.layers if layer.name.endswith("_conv1")):
        second = model.get_layer(first.name.removesuffix("1") + "2")
        shapes = [tensor.shape[1:] for tensor in (first.input, first.output, second.output)]
        blocks[first.name.removesuffix("_conv1")] = shapes
    blocks["logits"] = [model.get_layer("logits").output.shape[1:]]
    most = max(shape[-1] for shapes in blocks.values() for shape in shapes)
    shown = {"blocks": blocks, "most": most, "parameters": model.count_params()}
    shown["counts"] = Counter(type(layer).__name__ for layer in model.layers)
    return TEMPLATES.get_template("unet.svg.j2").render(shown)


def _outline(ids, colour):
    outline = Image.fromarray(np.uint8(find_boundaries(ids, mode="inner")), mode="P")
    outline.putpalette([0, 0, 0, *ImageColor.getrgb(colour)])  # two colours make a small file
    return _png(outline, transparency=0)


def _png(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True, **options)
    return data_uri(buffer.getvalue(), "image/png")
