"""Where the images come from: a folder, an earlier download, a download, or the phantom."""

import errno
import functools
import hashlib
import os
import socket
import stat
import sys
import tempfile
import zipfile
import zlib
from collections import namedtuple
from pathlib import Path

from lib.data.files import ROOT, DataError

HELA, VARIABLE = "DIC-C2DH-HeLa", "DIC_HELA_DIR"
URL = "https://data.celltrackingchallenge.net/training-datasets/{name}.zip"
CONNECT_S, READ_S = 10, 60
UNPACKED_LIMIT = 8 * 2**30  # bytes, against archives made to fill a disk
NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
# A folder that holds ``01``, ``01_ST`` and so on; its kind is folder, download or phantom, pixel
# is in micrometres or 0 where unknown, why is that of a phantom. Nothing else has a path in it.
Source = namedtuple("Source", "kind folder name origin pixel why", defaults=(0, ""))


class NoNetworkError(Exception):
    """Nothing outside this machine can be reached."""


def find_source(data, *, kind=None):
    """Find the images, and download them or write the phantom where that is needed.

    ``auto`` takes data.folder, else DIC_HELA_DIR, else an earlier download, else a download, and
    without a network the phantom. `kind`, of an earlier search, stands in place of data.source.
    """
    wanted, why = kind or data.source, "data.source asks for it"
    if wanted in ("auto", "folder"):
        # The variable names one data set: it must not stand in for another one.
        variable = os.environ.get(VARIABLE) if data.name == HELA else None
        where, path = ("data.folder", data.folder) if data.folder else (VARIABLE, variable)
        if path:
            folder = ROOT / os.path.expanduser(path)
            if not folder.is_dir():
                raise DataError(f"{folder}: no such folder; {where} names it, correct that")
            return Source("folder", folder, data.name, f"folder named by {where}", data.pixel)
        if wanted == "folder":
            raise DataError(f"data.source: folder; neither data.folder nor {VARIABLE} names one")
    import pooch  # here, since it takes its time

    cache = os.environ.get("UNET_DIC_HELA_CACHE") or pooch.os_cache("unet-dic-hela")
    cache = Path(os.path.expanduser(cache)).absolute()
    if wanted in ("auto", "download"):
        origin, target = "downloaded from the Cell Tracking Challenge", cache / data.name
        try:
            _write_once(target, functools.partial(_download, data.name))
            return Source("download", target, data.name, origin, data.pixel)
        except NoNetworkError as error:
            why = f"no network ({error})"
            if wanted == "download":
                raise DataError(f"data.source: download; {why}, so name a data.folder") from error
    elif data.source != "phantom":
        why = "no images and no network when they were first looked for"
    from lib.data import phantom

    # The code is part of the name: a phantom drawn by another version is another phantom.
    code = hashlib.sha256(Path(phantom.__file__).read_bytes()).hexdigest()[:8]
    seed, frames, (rows, columns) = data.phantom_seed, data.phantom_frames, data.phantom_size
    target = cache / f"phantom-{seed}-{frames}x{rows}x{columns}-{code}"
    drawing = {"seed": seed, "frames": frames, "shape": (rows, columns)}
    _write_once(target, functools.partial(phantom.write_phantom, **drawing))
    return Source("phantom", target, data.name, f"seed {seed}", why=why)


def _write_once(target, write):
    """Write a folder that is not there, whole; of two processes the later drops its copy."""
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
        text = f"{error.filename or target}: cannot be written ({error.strerror or error}); "
        raise DataError(text + "UNET_DIC_HELA_CACHE names another cache folder") from error


def _download(name, folder):
    import pooch
    from requests.exceptions import ConnectTimeout, ProxyError, RequestException

    url = URL.format(name=name)
    # pooch would log the user's path, which a notebook keeps.
    pooch.get_logger().setLevel("WARNING")
    fetch = pooch.HTTPDownloader(timeout=(CONNECT_S, READ_S), progressbar=sys.stderr.isatty())
    try:
        archive = pooch.retrieve(url, None, "download.zip", folder.parent, downloader=fetch)
    except RequestException as error:
        cause = error
        while deeper := cause.__cause__ or cause.__context__:
            cause = deeper
        reason = getattr(cause, "strerror", None) or str(cause).partition("\n")[0]
        lost = isinstance(cause, socket.gaierror) or getattr(cause, "errno", None) in NO_ROUTE
        if isinstance(error, ConnectTimeout) or lost and not isinstance(error, ProxyError):
            raise NoNetworkError(reason) from error
        text = f"{url}: not downloaded, {type(error).__name__}: {reason}; mend that, name a folder "
        raise DataError(text + "in data.folder, or set data.source: phantom") from error
    unzip(archive, folder.parent, url)
    if not folder.is_dir():
        raise DataError(f"{url}: the archive holds no folder {name}; correct data.name")


def unzip(archive, folder, origin):
    """Unpack an archive if it is whole, not too large, and stays inside `folder`."""
    try:
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                name, is_link = member.filename, stat.S_ISLNK(member.external_attr >> 16)
                if is_link or not (folder / name).resolve().is_relative_to(folder.resolve()):
                    raise DataError(f"{origin}: unsafe member {name!r}: a link or outside path")
            # zipfile reads no more of a member than the size stated here.
            if (size := sum(member.file_size for member in file.infolist())) > UNPACKED_LIMIT:
                raise DataError(f"{origin}: unpacks to {size} bytes, more than {UNPACKED_LIMIT}")
            file.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        text = f"{origin}: not a whole ZIP archive ({error}); try again, or name a data.folder"
        raise DataError(text) from error
