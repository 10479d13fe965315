"""Where the images come from: a folder, an earlier download, a download, or the phantom."""

import hashlib
import os
import re
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import pooch
import requests

from lib import phantom

HELA = "DIC-C2DH-HeLa"
URL = "https://data.celltrackingchallenge.net/training-datasets/{name}.zip"
CONNECT_S, READ_S = 3, 60
UNPACKED_LIMIT = 8 * 2**30  # bytes, against archives made to fill a disk


class DataError(Exception):
    """Data that are missing, broken or not what was expected; the message names the file."""


@dataclass(frozen=True)
class Source:
    """A folder of images and labels, and where it came from.

    Parameters
    ----------
    kind : {"folder", "download", "phantom"}
        How the data were found.
    folder : Path
        The folder that holds ``01``, ``01_ST`` and so on.
    name : str
        Name of the data set, as the challenge writes it.
    origin : str
        The same as `kind` for a reader, without machine paths.
    """

    kind: str
    folder: Path
    name: str
    origin: str

    @property
    def is_phantom(self) -> bool:
        """Whether the images are procedural."""
        return self.kind == "phantom"

    @property
    def label(self) -> str:
        """What was used, in words for the top of a report."""
        if self.is_phantom:
            return f"phantom (procedural, not real data), {self.origin}"
        return f"{self.name}, the real images ({self.origin})"


def find_source(
    *,
    source: str,
    name: str,
    folder: str,
    phantom_seed: int,
    phantom_frames: int,
    phantom_size: int,
    cache: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Source:
    """Find the images, and download them or write the phantom where that is needed.

    ``auto`` takes the folder in ``DIC_HELA_DIR`` (for DIC-C2DH-HeLa only), else `folder`, else the
    cache of an earlier download, else a download, and without a network the phantom.

    Parameters
    ----------
    source : {"auto", "folder", "download", "phantom"}
        Where to look.
    name : str
        Name of a two-dimensional data set of the Cell Tracking Challenge.
    folder : str
        Its folder; empty if there is none.
    phantom_seed, phantom_frames, phantom_size : int
        Seed, frames a video and side in pixels of the phantom.
    cache : Path, optional
        Folder of downloads and phantoms; by default ``UNET_DIC_HELA_CACHE`` or the user's cache.
    environ : mapping
        Environment variables.

    Returns
    -------
    Source
        The folder and its origin.

    Raises
    ------
    DataError
        If a named folder does not exist, a download is asked for and there is no network, what
        arrives is broken, or the cache cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+_-]*", name):
        raise DataError(f"data set {name!r}: not a name of the Cell Tracking Challenge")
    if source not in ("auto", "folder", "download", "phantom"):
        raise DataError(f"source {source!r}: use auto, folder, download or phantom")
    cache = Path(cache or environ.get("UNET_DIC_HELA_CACHE") or pooch.os_cache("unet-dic-hela"))
    cache = cache.expanduser().absolute()

    if source in ("auto", "folder"):
        found = _named_folder(name, folder, environ)
        if found:
            return found
    if source == "folder":
        raise DataError("source 'folder': neither data.folder nor DIC_HELA_DIR names a folder")
    if source in ("auto", "download"):
        try:
            return _downloaded(name, cache)
        except (requests.ConnectionError, requests.Timeout) as error:
            if source == "download":
                raise DataError(
                    f"{URL.format(name=name)}: not reached ({type(error).__name__}); "
                    "without a network, name a folder in data.folder or DIC_HELA_DIR"
                ) from error
    return _phantom(name, cache, phantom_seed, phantom_frames, phantom_size)


def _named_folder(name: str, folder: str, environ: Mapping[str, str]) -> Source | None:
    # The variable names one data set: it must not stand in for another one.
    from_environment = environ.get("DIC_HELA_DIR", "") if name == HELA else ""
    if not (from_environment or folder):
        return None
    where = "DIC_HELA_DIR" if from_environment else "data.folder"
    path = Path(from_environment or folder).expanduser().absolute()
    if not path.is_dir():
        raise DataError(f"{path}: no such folder (named by {where})")
    return Source("folder", path, name, f"folder named by {where}")


def _downloaded(name: str, cache: Path) -> Source:
    target = cache / name
    if not target.is_dir():
        _write_once(target, lambda folder: _download(name, folder))
    # The same the next time: a record that changes has every chapter executed again.
    return Source("download", target, name, "downloaded from the Cell Tracking Challenge")


def _phantom(name: str, cache: Path, seed: int, frames: int, size: int) -> Source:
    # The code is part of the name: a phantom drawn by another version is another phantom.
    code = hashlib.sha256(Path(phantom.__file__).read_bytes()).hexdigest()[:8]
    target = cache / f"phantom-{seed}-{frames}x{size}-{code}"
    if not target.is_dir():
        _write_once(
            target,
            lambda folder: phantom.write_phantom(folder, seed=seed, frames=frames, size=size),
        )
    return Source("phantom", target, name, f"seed {seed}")


def _write_once(target: Path, write: Callable[[Path], None]) -> None:
    """Write a folder beside its place and rename it when it is whole.

    Of two processes that do so at once, the later one drops its copy.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as work:
            folder = Path(work) / target.name
            write(folder)
            try:
                folder.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
    except requests.RequestException:  # an OSError, too, but not one of the disk
        raise
    except OSError as error:
        raise DataError(
            f"{error.filename or target}: cannot be written ({error.strerror or error}); "
            "UNET_DIC_HELA_CACHE names another cache folder"
        ) from error


def _download(name: str, folder: Path) -> None:
    url = URL.format(name=name)
    # pooch would log the user's path, which a notebook keeps.
    pooch.get_logger().setLevel("WARNING")
    try:
        archive = pooch.retrieve(
            url, known_hash=None, fname="download.zip", path=folder.parent, downloader=_fetch
        )
    except (requests.ConnectionError, requests.Timeout):
        raise
    except requests.RequestException as error:
        raise DataError(f"{url}: {error}") from error
    unzip(Path(archive), folder.parent, url)
    if not folder.is_dir():
        raise DataError(f"{url}: the archive holds no folder {name}")


def _fetch(url: str, file: str, _: object) -> None:
    """Download with pooch; a connection that breaks half-way is an error, not a missing network."""
    fetch = pooch.HTTPDownloader(timeout=(CONNECT_S, READ_S), progressbar=sys.stderr.isatty())
    try:
        fetch(url, file, None)
    except (requests.ConnectionError, requests.Timeout) as error:
        if Path(file).stat().st_size:
            raise DataError(f"{url}: the download broke off ({error})") from error
        raise


def unzip(archive: Path, folder: Path, origin: str, limit: int = UNPACKED_LIMIT) -> None:
    """Unpack an archive if every member is a plain file or folder that stays inside `folder`.

    Parameters
    ----------
    archive, folder : Path
        The ZIP file, and where its members go.
    origin : str
        What an error names.
    limit : int
        Largest unpacked size in bytes.

    Raises
    ------
    DataError
        If a member is a link or would leave the folder, the archive unpacks to more than `limit`,
        or it is damaged.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
            for member in members:
                _check_member(member, origin)
            # zipfile reads no more of a member than the size stated here.
            if (size := sum(member.file_size for member in members)) > limit:
                raise DataError(f"{origin}: unpacks to {size} bytes, more than {limit}")
            file.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{origin}: not a whole ZIP archive ({error})") from error


def _check_member(member: zipfile.ZipInfo, origin: str) -> None:
    name = member.filename
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = posix.is_absolute() or windows.anchor or ".." in (*posix.parts, *windows.parts)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if outside or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{origin}: unsafe member {name!r} (a link, or outside the folder)")
