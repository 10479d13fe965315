"""Frames and labels as arrays: their size, their grey values, and what is unknown in them."""

import numpy as np

UNKNOWN = np.uint16(65535)  # in labels, of pixels of which nobody knows whether they are cell
REFERENCE_SIZE = 512  # px, longer side of the frames for which lengths in the settings are given


def network_shape(frame_shape, size, depth):
    """Scale rows and columns to a longer side of `size`, to the nearest multiples of 2**depth."""
    block = 2**depth
    return tuple(max(1, round(size * n / max(frame_shape) / block)) * block for n in frame_shape)


def resample(images, labels, shape, grey=None):
    """Bring images (F, M, N) to a shape, and labels by the id at the centre of each new pixel."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(shape, labels.shape[1:], strict=True)
    )
    small = np.stack([resample_image(image, shape, grey) for image in images])
    return small, labels[:, rows[:, None], columns]


def resample_image(image, shape, grey=None):
    """Bring an image of uint8 or uint16 to a shape, and the values `grey` to 0 and 1, float32."""
    low, high = grey or (0, np.iinfo(image.dtype).max)
    rows, columns = image.shape
    if rows % shape[0] == 0 and columns % shape[1] == 0:
        blocks = image.reshape(shape[0], rows // shape[0], shape[1], columns // shape[1])
        small = blocks.mean(axis=(1, 3))
    else:
        from skimage.transform import resize  # here, since it takes its time

        smaller = shape[0] < rows or shape[1] < columns
        small = resize(image.astype(np.float32), shape, anti_aliasing=smaller)
    return (small.astype(np.float32) - np.float32(low)) / np.float32(high - low)


def normalise_frames(images):
    """Give each frame mean 0 and standard deviation 1, float32; a constant one becomes 0."""
    normalised = np.zeros(images.shape, np.float32)
    for i, image in enumerate(images):
        if image.min() < image.max():
            normalised[i] = (image - image.mean(dtype=float)) / image.std(dtype=float)
    return normalised


def is_missed(labels, markers):
    """Tell, by the id of a marker, whether it lies in the labels' background by more than half."""
    covered = np.bincount(markers.ravel(), weights=(labels > 0).ravel())
    return 2 * covered < np.bincount(markers.ravel())


def mark_unknown(labels, markers, radius):
    """Write `UNKNOWN` into the background up to `radius` px from each marker that `is_missed`."""
    missed = (markers > 0) & is_missed(labels, markers)[markers]
    if not missed.any():
        return labels
    from scipy.ndimage import distance_transform_edt  # here, since it takes its time

    near = distance_transform_edt(~missed) <= radius
    return np.where(near & (labels == 0), UNKNOWN, labels)


def spread(count, chosen):
    """Choose a few of `count` places, evenly spread from the first to the last."""
    return sorted({int(index) for index in np.linspace(0, count - 1, min(chosen, count))})


def full_labels(data, pairs):
    """Stack the labels of some frames at their own size, (F, M, N); predictions meet these."""
    return np.stack([data.labels[video][frame] for video, frame in pairs])


def load_side(data, pairs, settings, unknown=0):
    """Make what a network gets for some frames: images, float32, and labels by `mark_unknown`."""
    images = np.stack([data.images[video][frame] for video, frame in pairs])
    labels, radius = full_labels(data, pairs), unknown * max(data.shape) / REFERENCE_SIZE
    for i, (video, frame) in enumerate(pairs):
        if radius and frame in data.markers[video]:
            labels[i] = mark_unknown(labels[i], data.markers[video][frame], radius)
    shape = network_shape(data.shape, settings.image.size, settings.model.depth)
    images, labels = resample(images, labels, shape, data.record.get("grey"))
    return normalise_frames(images) if settings.image.normalise == "frame" else images, labels
