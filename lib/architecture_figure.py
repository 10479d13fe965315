"""Figure 1: the U-Net, drawn from the layers of a model."""

from typing import NamedTuple

from keras import layers
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from lib.figures import WIDTH, style
from lib.model import count_convolutions

# Lengths on the page, in units of which the tallest feature map has HEIGHT.
HEIGHT, LEAST_HEIGHT = 150, 6
CHANNELS, LEAST_WIDTH = 40, 2.5  # width of the feature map with the most channels
GAP, LEVEL_GAP = 20, 30
TALL = 60  # a box with room for its size beside an arrow
LEAST_EXTENT = 420  # so that a shallow network is not drawn huge
PATHS = {"down": "#A6C8E0", "bottom": "#7FA8C9", "up": "#A8D5C2", "logits": "#E7B7D0"}
EDGE, TEXT = "#3A4A57", "#333333"
ARROWS = {
    "convolution": "#0072B2",
    "skip": "#999999",
    "pool": "#D55E00",
    "up": "#009E73",
    "logits": "#CC79A7",
}


class Box(NamedTuple):
    """A feature map on the page: left and lower edge, width and height, and its numbers."""

    left: float
    low: float
    width: float
    height: float
    size: int
    channels: int

    @property
    def right(self):
        """Right edge."""
        return self.left + self.width

    @property
    def top(self):
        """Upper edge."""
        return self.low + self.height

    @property
    def centre(self):
        """Half-way across."""
        return self.left + self.width / 2

    @property
    def middle(self):
        """Half-way up."""
        return self.low + self.height / 2


@style()
def draw_architecture(model):
    """Draw Figure 1: the feature maps of a U-Net and what leads from one to the next.

    Height stands for rows and width for channels. Every number is read from the model, so the
    figure shows the network that was built.

    Parameters
    ----------
    model : keras.Model
        From `lib.model.unet`, of any depth, width and padding.

    Returns
    -------
    matplotlib.figure.Figure
    """
    blocks = place_boxes(feature_maps(model))
    axes = _canvas(blocks)
    for name, boxes in blocks.items():
        _draw_block(axes, blocks, name, boxes)
        for before, after in zip(boxes, boxes[1:], strict=False):
            _arrow(axes, "convolution", (before.right, after.middle), (after.left, after.middle))
    _draw_paths(axes, blocks)
    _draw_legend(axes, model)
    return axes.figure


def feature_maps(model):
    """List the feature maps of a U-Net, block by block.

    Parameters
    ----------
    model : keras.Model
        From `lib.model.unet`.

    Returns
    -------
    dict of str to list of tuple
        Block (down0, ..., bottom, ..., up0) to size in px and number of channels, of what enters
        the block and of what each of its convolutions makes. The last block is ``logits``.
    """
    names = [layer.name for layer in model.layers if layer.name.endswith("_conv1")]
    maps = {}
    for name in (name.removesuffix("_conv1") for name in names):
        first, second = (model.get_layer(f"{name}_conv{number}") for number in (1, 2))
        tensors = (first.input, first.output, second.output)
        maps[name] = [(tensor.shape[1], tensor.shape[-1]) for tensor in tensors]
    output = model.get_layer("logits").output
    return maps | {"logits": [(output.shape[1], output.shape[-1])]}


def place_boxes(maps):
    """Place feature maps on the page: a level a row, the way down on the left, up on the right.

    What enters a block stands right under, or over, what it is made from.

    Parameters
    ----------
    maps : dict
        From `feature_maps`.

    Returns
    -------
    dict of str to list of Box
    """
    tall = HEIGHT / max(size for block in maps.values() for size, _ in block)
    wide = CHANNELS / max(channels for block in maps.values() for _, channels in block)
    middles = _middles(maps, tall)
    blocks, centre = {}, 0
    for name, block in maps.items():
        if name == "logits":
            left = blocks["up0"][-1].right + GAP
        else:
            left = centre - _entry(maps, name) * max(block[0][1] * wide, LEAST_WIDTH)
        blocks[name] = []
        for size, channels in block:
            width, height = max(channels * wide, LEAST_WIDTH), max(size * tall, LEAST_HEIGHT)
            low = middles[_level(maps, name)] - height / 2
            blocks[name].append(Box(left, low, width, height, size, channels))
            left += width + GAP
        centre = blocks[name][-1].centre
    return blocks


def _level(maps, name):
    if name == "bottom":
        return sum(other.startswith("down") for other in maps)
    return 0 if name == "logits" else int(name.removeprefix("down").removeprefix("up"))


def _middles(maps, tall):
    """Height of the middle of each level; the levels are LEVEL_GAP apart."""
    middles, low = {}, 0
    for name, block in maps.items():
        level = _level(maps, name)
        if level not in middles:
            height = max(max(size for size, _ in block) * tall, LEAST_HEIGHT)
            middles[level] = low - height / 2
            low -= height + LEVEL_GAP
    return middles


def _entry(maps, name):
    """Where the arrow from the block before enters, as a share of the first box's width."""
    if not name.startswith("up"):
        return 0.5
    return (1 + _copied(maps, name)) / 2


def _copied(maps, name):
    """Share of the channels that enter a block on the way up that come from the way down."""
    down = maps[name.replace("up", "down")]
    return down[-1][1] / maps[name][0][1]


# Drawing ------------------------------------------------------------------------------------


def _canvas(blocks):
    """Make axes in which a unit is as long both ways, with margins for numbers and legend."""
    every = [box for boxes in blocks.values() for box in boxes]
    left, right = min(box.left for box in every) - 30, max(box.right for box in every) + 30
    spare = max(LEAST_EXTENT - (right - left), 0) / 2
    left, right = left - spare, right + spare
    low, high = min(box.low for box in every) - 90, max(box.top for box in every) + 45
    figure = Figure(figsize=(WIDTH, WIDTH * (high - low) / (right - left)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(low, high))
    axes.set_axis_off()
    return axes


def _draw_block(axes, blocks, name, boxes):
    """Draw the feature maps of a block, with channels above and sizes on the left."""
    path = name.rstrip("0123456789")
    for number, box in enumerate(boxes):
        corner = (box.left, box.low)
        axes.add_patch(
            Rectangle(corner, box.width, box.height, facecolor=PATHS[path], edgecolor=EDGE, lw=0.7)
        )
        if path == "up" and number == 0:
            _draw_copy(axes, blocks, name, box)
        if number > 0 or name == "down0" or path in ("up", "logits"):
            # What was pooled has the channels of the map above, and its arrow is in the way.
            _text(axes, box.centre, box.top + 3, box.channels, va="bottom")
        if name != "logits" and (number == 0 or box.size != boxes[number - 1].size):
            _draw_size(axes, box, number, path)


def _draw_size(axes, box, number, path):
    """Write rows and columns on the left of a box, or below it where an arrow is in the way."""
    size = f"{box.size}²"
    if number == 0 or box.height > TALL:
        _text(axes, box.left - 2, box.low, size, ha="right", va="bottom", rotation=90)
    elif path == "down":
        _text(axes, box.centre - 3, box.low - 2, size, ha="right", va="top")
    else:
        _text(axes, box.centre, box.low - 2, size, va="top")


def _draw_copy(axes, blocks, name, box):
    """Cover the part of a box that is copied from the way down in white, and draw its arrow."""
    source = blocks[name.replace("up", "down")][-1]
    width = box.width * source.channels / box.channels
    axes.add_patch(
        Rectangle((box.left, box.low), width, box.height, facecolor="white", edgecolor=EDGE, lw=0.7)
    )
    _arrow(axes, "skip", (source.right + 3, box.middle), (box.left - 12, box.middle))


def _draw_paths(axes, blocks):
    """Draw the arrows between blocks."""
    names = list(blocks)
    for before, after in zip(names, names[1:], strict=False):
        source, target = blocks[before][-1], blocks[after][0]
        centre = source.centre
        if after == "logits":
            _arrow(axes, "logits", (source.right, source.middle), (target.left, target.middle))
        elif after.startswith("up"):
            _arrow(axes, "up", (centre, source.top + 12), (centre, target.low))
        else:
            _arrow(axes, "pool", (centre, source.low), (centre, target.top + 1))
    first, last = blocks["down0"][0], blocks["logits"][0]
    for box, text in ((first, "image"), (last, "logits")):
        _text(axes, box.centre, box.low - 5, text, va="top", size=8)


def _text(axes, x, y, text, *, ha="center", size=7.5, **look):
    axes.text(x, y, text, ha=ha, size=size, color=TEXT, **look)


def _arrow(axes, kind, start, end):
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="simple,head_length=5,head_width=6,tail_width=2",
            color=ARROWS[kind],
            linewidth=0,
            shrinkA=1.5,
            shrinkB=1.5,
        )
    )


def _draw_legend(axes, model):
    """Say above how large the network is, and below what the arrows stand for."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    _text(axes, (left + right) / 2, high - 15, _summary(model), va="center", size=9)
    for number, (kind, text) in enumerate(_legend(model).items()):
        column, row = divmod(number, 3)
        x, y = left + 35 + column * (right - left) * 0.56, low + 52 - 20 * row
        _arrow(axes, kind, (x, y), (x + 22, y))
        _text(axes, x + 28, y, text, ha="left", va="center", size=8)


def _summary(model):
    """Say how many convolutions and parameters a model has, and which dropout."""
    count = model.count_params()
    parameters = f"{count / 1e6:.2f} million" if count >= 1e6 else f"{count:,}"
    text = f"{count_convolutions(model)} convolutions, {parameters} parameters"
    rates = sorted({layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)})
    if rates:
        text += ", dropout " + ", ".join(f"{rate:.3g}" for rate in rates)
    return text


def _legend(model):
    """Describe the kinds of arrow, as far as they are in the model, with how many there are."""
    kinds = [type(layer) for layer in model.layers]
    between = "batch norm, " if layers.BatchNormalization in kinds else ""
    crop = ", crop" if layers.Cropping2D in kinds else ""
    ups = kinds.count(layers.Conv2DTranspose)
    plain = kinds.count(layers.Conv2D) - 1
    return {
        "convolution": f"convolution 3 × 3, {between}ReLU ({plain})",
        "up": f"up-convolution 2 × 2 ({ups})",
        "logits": "convolution 1 × 1 (1)",
        "pool": f"max pooling 2 × 2 ({kinds.count(layers.MaxPooling2D)})",
        "skip": f"copy{crop} and concatenate ({kinds.count(layers.Concatenate)})",
    }
