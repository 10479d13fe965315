"""Count how well cells are found with each of several reaches by which they grow."""

from itertools import product

import numpy as np
from scipy.ndimage import maximum_filter

from lib.scoring.cells import det_sums, seg_sums


class Growth:
    """Counts for SEG and DET of cells that lie in one mask and grow as by `expand_labels`.

    The nearest pixel of the mask is looked up once; only where that is of no cell any more, as the
    cell was removed, is another looked for.
    """

    def __init__(self, truth, mask, grow):
        self.truth, self.mask, self.grow, self.reach = truth, mask, grow, int(max(grow))
        side = range(-self.reach, self.reach + 1)
        # Of pixels that are equally near the first by column, and then by row, is taken.
        offsets = np.array(sorted((r * r + c * c, c, r) for c, r in product(side, side)))[1:]
        steps = np.searchsorted(grow, np.sqrt(offsets[:, 0]))
        offsets = np.column_stack([offsets[:, :0:-1], steps])[steps < len(grow)]
        # In parts, since most pixels are near.
        self.offsets = np.array_split(offsets, 1 + len(offsets) // 16) if len(offsets) else []
        near = maximum_filter(mask, 2 * self.reach + 1) & ~mask
        self.near = self._nearest(mask, np.flatnonzero(near))

    def sums(self, cells):
        """Return `seg_sums` and `det_sums` by reach, shape (6, len(grow))."""
        flat, (pixels, sources, steps) = cells.ravel(), self.near
        kept = flat[sources] > 0
        lost = np.concatenate([pixels[~kept], np.flatnonzero(self.mask & (cells == 0))])
        parts = (pixels[kept], sources[kept], steps[kept]), self._nearest(cells > 0, lost)
        pixels, sources, steps = map(np.concatenate, zip(*parts, strict=True))
        shape = len(self.grow), self.truth.max() + 1, cells.max() + 1
        inside = np.bincount((self.truth * shape[2] + cells).ravel(), minlength=shape[1] * shape[2])
        places = (steps * shape[1] + self.truth.ravel()[pixels]) * shape[2] + flat[sources]
        grown = np.bincount(places, minlength=np.prod(shape)).reshape(shape).cumsum(axis=0)
        shared = grown + inside.reshape(shape[1:])
        shared[:, :, 0] -= grown.sum(axis=2)
        return np.stack([*seg_sums(shared), *det_sums(shared)])

    def _nearest(self, mask, pixels):
        """Find which pixels are in reach of a mask, its nearest pixel, and from which step on."""
        rim, width, found = self.reach + 1, mask.shape[1], [[np.empty(0, int)] * 3]
        padded = np.pad(mask, [(rim, rim + -size % rim) for size in mask.shape])
        rows, columns = np.divmod(pixels, width)
        places = (rows + rim) * padded.shape[1] + columns + rim
        # Squares with nothing in them, nor in those around them, need no closer look.
        squares = padded.reshape(-1, rim, padded.shape[1]).any(axis=1)
        squares = squares.reshape(len(squares), -1, rim).any(axis=2)
        close = maximum_filter(squares, 3)[rows // rim + 1, columns // rim + 1]
        pixels, places, filled = pixels[close], places[close], padded.ravel()
        for rows, columns, steps in (part.T for part in self.offsets):
            hits = filled[places[:, None] + (rows * padded.shape[1] + columns)]
            first, hit = hits.argmax(axis=1), hits.any(axis=1)
            sources = pixels + (rows * width + columns)[first]
            found.append([pixels[hit], sources[hit], steps[first[hit]]])
            pixels, places = pixels[~hit], places[~hit]
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]
