"""Where the images come from: a folder, an earlier download, a download, or the phantom."""

import errno
import hashlib
import os
import socket
import stat
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from lib.data.files import ROOT, DataError

HELA, VARIABLE = "DIC-C2DH-HeLa", "DIC_HELA_DIR"
URL = "https://data.celltrackingchallenge.net/training-datasets/{name}.zip"
CONNECT_S, READ_S = 10, 60
UNPACKED_LIMIT = 8 * 2**30  # bytes, against archives made to fill a disk
NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}


class NoNetworkError(Exception):
    """Nothing outside this machine can be reached."""


@dataclass(frozen=True)
class Source:
    """A folder that holds ``01``, ``01_ST`` and so on, and where it came from.

    `kind` is folder, download or phantom; `origin` says the same to a reader, without machine
    paths; `pixel` is in micrometres, 0 where unknown; `why` says why there is a phantom.
    """

    kind: str
    folder: Path
    name: str
    origin: str
    pixel: float = 0
    why: str = ""


def find_source(data, *, kind=None, cache=None, environ=os.environ):
    """Find the images, and download them or write the phantom where that is needed.

    ``auto`` takes data.folder, else the folder in ``DIC_HELA_DIR`` (for DIC-C2DH-HeLa only), else
    an earlier download, else a download, and without a network the phantom.
    `data` is that section of the settings, `kind` what an earlier search found, in place of
    data.source, and `cache` a folder, in place of ``UNET_DIC_HELA_CACHE`` or the user's cache.
    DataError if a folder is not there or a download fails, other than for want of a network.
    """
    wanted = kind or data.source
    if wanted in ("auto", "folder"):
        # The variable names one data set: it must not stand in for another one.
        variable = environ.get(VARIABLE) if data.name == HELA else None
        where, path = ("data.folder", data.folder) if data.folder else (VARIABLE, variable)
        if path:
            folder = ROOT / os.path.expanduser(path)
            if not folder.is_dir():
                raise DataError(f"{folder}: no such folder; {where} names it, correct that")
            return Source("folder", folder, data.name, f"folder named by {where}", data.pixel)
        if wanted == "folder":
            raise DataError(f"data.source: folder; neither data.folder nor {VARIABLE} names one")
    if not (cache := cache or environ.get("UNET_DIC_HELA_CACHE")):
        import pooch  # here, since it takes its time

        cache = pooch.os_cache("unet-dic-hela")
    cache, why = Path(os.path.expanduser(cache)).absolute(), "data.source asks for it"
    if wanted in ("auto", "download"):
        target = cache / data.name
        try:
            _write_once(target, lambda folder: _download(data.name, folder))
        except NoNetworkError as error:
            why = f"no network ({error})"
            if wanted == "download":
                raise DataError(f"data.source: download; {why}, so name a data.folder") from error
        else:
            # Words that stay the same when it is found again.
            origin = "downloaded from the Cell Tracking Challenge"
            return Source("download", target, data.name, origin, data.pixel)
    elif data.source != "phantom":
        why = "no images and no network when they were first looked for"
    return _phantom(data, cache, why)


def _phantom(data, cache, why):
    from lib.data import phantom

    # The code is part of the name: a phantom drawn by another version is another phantom.
    code = hashlib.sha256(Path(phantom.__file__).read_bytes()).hexdigest()[:8]
    seed, frames, shape = data.phantom_seed, data.phantom_frames, tuple(data.phantom_size)
    target = cache / f"phantom-{seed}-{frames}x{shape[0]}x{shape[1]}-{code}"
    drawing = {"seed": seed, "frames": frames, "shape": shape}
    _write_once(target, lambda folder: phantom.write_phantom(folder, **drawing))
    return Source("phantom", target, data.name, f"seed {seed}", why=why)


def _write_once(target, write):
    """Write a folder that is not there beside its place and rename it when it is whole.

    Of two processes that do so at once, the later one drops its copy.
    """
    if target.is_dir():
        return
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
    except OSError as error:
        raise DataError(
            f"{error.filename or target}: cannot be written ({error.strerror or error}); "
            "UNET_DIC_HELA_CACHE names another cache folder"
        ) from error


def _download(name, folder):
    import pooch
    import requests

    url = URL.format(name=name)
    # pooch would log the user's path, which a notebook keeps.
    pooch.get_logger().setLevel("WARNING")
    fetch = pooch.HTTPDownloader(timeout=(CONNECT_S, READ_S), progressbar=sys.stderr.isatty())
    where = {"fname": "download.zip", "path": folder.parent, "downloader": fetch}
    try:
        archive = pooch.retrieve(url, known_hash=None, **where)
    except requests.RequestException as error:
        cause = error
        while deeper := cause.__cause__ or cause.__context__:
            cause = deeper
        reason = getattr(cause, "strerror", None) or str(cause).partition("\n")[0]
        lost = isinstance(cause, socket.gaierror) or getattr(cause, "errno", None) in NO_ROUTE
        if isinstance(error, requests.exceptions.ProxyError | requests.exceptions.SSLError):
            lost = False
        if lost or isinstance(error, requests.ConnectTimeout):
            raise NoNetworkError(reason) from error
        raise DataError(
            f"{url}: not downloaded, {type(error).__name__}: {reason}; mend that, name a folder in "
            "data.folder, or set data.source: phantom"
        ) from error
    unzip(Path(archive), folder.parent, url)
    if not folder.is_dir():
        raise DataError(f"{url}: the archive holds no folder {name}; correct data.name")


def unzip(archive, folder, origin, limit=UNPACKED_LIMIT):
    """Unpack an archive if it is whole, of at most `limit` bytes, and stays inside `folder`."""
    try:
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
                inside = (folder / name).resolve().is_relative_to(folder.resolve())
                if not inside or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise DataError(f"{origin}: unsafe member {name!r}: a link or outside path")
            # zipfile reads no more of a member than the size stated here.
            if (size := sum(member.file_size for member in file.infolist())) > limit:
                raise DataError(f"{origin}: unpacks to {size} bytes, more than {limit}")
            file.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        text = f"{origin}: not a whole ZIP archive ({error}); try again, or name a data.folder"
        raise DataError(text) from error
