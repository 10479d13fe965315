"""Where the data come from, and what happens without a network or with a broken one."""

import errno
import http.server
import os
import socket
import ssl
import stat
import threading
import zipfile
from functools import partial

import pytest
import requests

from lib.data import phantom, source
from lib.data.files import DataError
from lib.data.source import HELA, find_source, unzip


@pytest.fixture
def find(tmp_path, monkeypatch, settings, write_set):
    """Find a source, with an empty cache and a quick phantom; keywords change the settings."""
    monkeypatch.setattr(phantom, "write_phantom", lambda folder, **_: write_set(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("UNET_DIC_HELA_CACHE", str(tmp_path / "cache"))

    def find(named="", kind=None, **changes):
        monkeypatch.setenv("DIC_HELA_DIR", named)
        return find_source(settings(**changes), kind=kind)

    return find


@pytest.fixture
def offline(monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)


@pytest.fixture
def serve(monkeypatch):
    """Serve bytes in place of the challenge's archive; with `stall`, stop before the end."""
    servers, done = [], threading.Event()

    def start(content, status=200, stall=False):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.send_header("Content-Length", str(len(content) + 1000 * stall))
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()
                if stall:
                    done.wait(10)

            def log_message(self, *_):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{servers[-1].server_port}/{{name}}.zip"
        monkeypatch.setattr(source, "URL", url)

    yield start
    done.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def zipped(folder, tmp_path):
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w") as file:
        for member in sorted(folder.rglob("*")):
            file.write(member, f"{HELA}/{member.relative_to(folder).as_posix()}")
    return path.read_bytes()


def test_params_beat_the_variable_which_beats_the_cache(find, tmp_path, write_set, serve):
    folders = named, given, cached = [tmp_path / name for name in ("n", "g", f"cache/{HELA}")]
    for folder in folders:
        write_set(folder)
    serve(b"", status=500)  # asked for nothing
    found = [find(str(named), folder=str(given)), find(str(named)), find()]
    assert [s.folder for s in found] == [given, named, cached]
    assert [s.origin for s in found[:2]] == [
        "folder named by data.folder",
        "folder named by DIC_HELA_DIR",
    ]
    assert [s.kind for s in found] == ["folder", "folder", "download"]
    assert [s.pixel for s in found] == [0.19] * 3


def test_variable_does_not_stand_in_for_another_data_set(find, folder):
    with pytest.raises(DataError, match="neither data.folder nor DIC_HELA_DIR names one"):
        find(str(folder), name="Fluo-N2DL-HeLa", source="folder")


@pytest.mark.parametrize(
    ("named", "changes", "where"),
    [
        ("/nowhere", {}, "DIC_HELA_DIR"),
        ("", {"folder": "/nowhere"}, "data.folder"),
        ("", {"folder": "/nowhere", "source": "folder"}, "data.folder"),
    ],
)
def test_named_folder_that_does_not_exist(find, named, changes, where):
    with pytest.raises(DataError, match=rf"/nowhere: no such folder; {where} names it"):
        find(named, **changes)


def test_download_is_found_again_with_the_same_record(find, tmp_path, folder, serve):
    serve(zipped(folder, tmp_path))
    first = find()
    assert (first.kind, first.folder) == ("download", tmp_path / "cache" / HELA)
    assert (first.folder / "02_ST/SEG/man_seg003.tif").exists()
    assert [path.name for path in first.folder.parent.iterdir()] == [HELA]
    serve(b"", status=500)  # asked for nothing
    assert find() == find(source="download") == find(kind="download") == first


def test_phantom_where_there_is_no_network_and_why(find, tmp_path, offline):
    found = find()
    assert found.kind == "phantom"
    assert found.why == "no network (Temporary failure in name resolution)"
    assert found.folder.parent == tmp_path / "cache"
    assert found.folder.name.startswith("phantom-1-4x64x48-")
    assert found.pixel == 0
    assert find(source="phantom").why == "data.source asks for it"
    assert find(kind="phantom").why == "no images and no network when they were first looked for"
    with pytest.raises(DataError, match="data.source: download; no network .*name a data.folder"):
        find(source="download")


def test_no_route_is_no_network(find, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    monkeypatch.setattr(socket.socket, "connect", fail)
    monkeypatch.setattr(source, "URL", "http://127.0.0.1:9/{name}.zip")
    assert find().why == "no network (Network is unreachable)"


def test_proxy_that_is_not_there_is_no_missing_network(find, monkeypatch, offline):
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    with pytest.raises(DataError, match="not downloaded, ProxyError: Temporary failure in name"):
        find()


def test_server_that_refuses_is_no_missing_network(find, monkeypatch):
    monkeypatch.setattr(source, "URL", "http://127.0.0.1:9/{name}.zip")
    with pytest.raises(DataError, match="not downloaded, ConnectionError: Connection refused"):
        find()


def test_certificate_that_is_not_trusted(find, monkeypatch):
    def fail(*_, **__):
        try:
            raise ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed")
        except ssl.SSLError as error:
            raise requests.exceptions.SSLError("Max retries exceeded") from error

    monkeypatch.setattr(requests.Session, "request", fail)
    with pytest.raises(DataError, match="SSLError: certificate verify failed: self-signed; mend"):
        find()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"content": b"PK no archive"}, "not a whole ZIP archive"),
        ({"content": b""}, "not a whole ZIP archive"),
        ({"content": b"", "status": 404}, "not downloaded, HTTPError: 404 Client Error"),
        ({"content": bytes(10_000), "stall": True}, "not downloaded, ConnectionError: .*timed out"),
    ],
)
def test_broken_download_stops_in_one_line_and_leaves_nothing(
    find, serve, monkeypatch, tmp_path, answer, message
):
    monkeypatch.setattr(source, "READ_S", 0.2)
    serve(**answer)
    with pytest.raises(DataError, match=message) as caught:
        find()
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_download_of_another_data_set(find, serve, tmp_path, folder):
    serve(zipped(folder, tmp_path))
    with pytest.raises(DataError, match="the archive holds no folder PhC-C2DH-U373"):
        find(name="PhC-C2DH-U373")


def test_download_with_a_damaged_member(find, serve, tmp_path, folder):
    content = bytearray(zipped(folder, tmp_path))
    content[content.index(b"II*\0") + 8] ^= 255
    serve(bytes(content))
    with pytest.raises(DataError, match="not a whole ZIP archive.*CRC"):
        find()


def test_cache_that_cannot_be_written(find, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cache.*cannot be written.*UNET_DIC_HELA_CACHE"):
        find(source="phantom")


def test_two_writers_at_once_leave_one_whole_folder(find, tmp_path, monkeypatch, write_set):
    both = threading.Barrier(2)

    def write(folder, **_):
        write_set(folder)
        both.wait(10)

    monkeypatch.setattr(phantom, "write_phantom", write)
    found = []
    call = partial(find, source="phantom")
    threads = [threading.Thread(target=lambda: found.append(call())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert list((tmp_path / "cache").iterdir()) == [found[0].folder]


# Archives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../t000.tif", "a/../../t000.tif", "/t000.tif"])
def test_archive_member_outside_the_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("good.tif", b"")
        file.writestr(name, b"")
    with pytest.raises(DataError, match=r"a\.zip: unsafe member"):
        unzip(tmp_path / "a.zip", tmp_path / "out", "a.zip")
    assert not (tmp_path / "out").exists()


def test_archive_with_a_link(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/etc")
    with pytest.raises(DataError, match="unsafe member 'link'"):
        unzip(tmp_path / "a.zip", tmp_path / "out", "a.zip")


def test_archive_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "UNPACKED_LIMIT", 99_999)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(100_000))
    with pytest.raises(DataError, match="unpacks to 100000 bytes, more than 99999"):
        unzip(tmp_path / "a.zip", tmp_path / "out", "a.zip")
