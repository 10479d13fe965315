import hashlib
import http.server
import stat
import threading
import zipfile
from functools import partial

import numpy as np
import pytest
import tifffile

from lib import data, digests, source
from lib.source import HELA, DataError, Source, find_source, unzip


def write_set(folder, videos=("01", "02"), frames=4, digits=3, dtype=np.uint8):
    """Write a small data set: two touching cells, and gold truth for frame 1 alone."""
    labels = np.zeros((8, 8), np.uint16)
    labels[2:6, 1:4], labels[2:6, 4:7] = 3, 5
    for video in videos:
        for part in (video, f"{video}_ST/SEG", f"{video}_GT/SEG", f"{video}_GT/TRA"):
            (folder / part).mkdir(parents=True)
        for i in range(frames):
            number = f"{i:0{digits}d}.tif"
            image = np.full((8, 8), 10 * i, dtype)
            tifffile.imwrite(folder / video / f"t{number}", image, compression="lzw")
            tifffile.imwrite(folder / f"{video}_ST/SEG/man_seg{number}", labels)
            tifffile.imwrite(folder / f"{video}_GT/TRA/man_track{number}", labels)
        gold = folder / f"{video}_GT/SEG" / f"man_seg{1:0{digits}d}.tif"
        tifffile.imwrite(gold, np.where(labels == 3, labels, 0))
        (folder / f"{video}_GT/TRA/man_track.txt").write_text("3 0 3 0\n5 0 3 0\n")


@pytest.fixture
def dataset(tmp_path):
    write_set(tmp_path / "set")
    return tmp_path / "set"


def test_pixel_of_a_frame_that_is_drawn_smaller_is_larger():
    record = {"name": source.HELA, "source": "folder", "shape": [512, 512]}
    assert data.pixel_size(record, 512) == 0.19
    assert data.pixel_size(record, 128) == 4 * 0.19
    assert data.pixel_size(record | {"source": "phantom"}, 512) is None
    assert data.pixel_size(record | {"name": "Fluo-N2DH-SIM+"}, 512) is None


# Reading and pairing


@pytest.mark.parametrize(("digits", "dtype"), [(3, np.uint8), (4, np.uint16)])
def test_video_is_read_in_order_of_time(tmp_path, digits, dtype):
    write_set(tmp_path, frames=12, digits=digits, dtype=dtype)
    images, labels = data.read_video(tmp_path, "01")
    assert images.dtype == dtype
    assert images[:, 0, 0].tolist() == list(range(0, 120, 10))
    assert labels.dtype == np.uint16
    assert np.unique(labels).tolist() == [0, 3, 5]


def test_frames_know_their_files(dataset):
    frames = data.list_frames(dataset, "02")
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert frames[2].silver == dataset / "02_ST/SEG/man_seg002.tif"
    assert [frame.gold is not None for frame in frames] == [False, True, False, False]
    assert frames[3].markers == dataset / "02_GT/TRA/man_track003.tif"


def test_gold_truth_is_sparse_and_may_be_absent(dataset):
    gold = data.read_truth(dataset, "01", "gold")
    assert list(gold) == [1]
    assert np.unique(gold[1]).tolist() == [0, 3]
    (dataset / "01_GT/SEG/man_seg001.tif").unlink()
    assert data.read_truth(dataset, "01", "gold") == {}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_lzw_round_trip(tmp_path, dtype, byteorder):
    image = np.random.default_rng(1).integers(0, 255, (32, 24)).astype(dtype)
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, image, compression="lzw", byteorder=byteorder)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].compression == tifffile.COMPRESSION.LZW
    read = data.read_image(path)
    assert read.dtype == image.dtype
    np.testing.assert_array_equal(read, image)


def test_folder_without_frames(tmp_path):
    with pytest.raises(DataError, match="01: no images t000.tif"):
        data.list_frames(tmp_path, "01")


def test_missing_frame(dataset):
    (dataset / "01/t002.tif").unlink()
    with pytest.raises(DataError, match=r"01/t002\.tif: frame missing"):
        data.list_frames(dataset, "01")


def test_missing_first_frame(dataset):
    (dataset / "01/t000.tif").unlink()
    with pytest.raises(DataError, match=r"01/t000\.tif: frame missing"):
        data.list_frames(dataset, "01")


def test_missing_label(dataset):
    (dataset / "02_ST/SEG/man_seg003.tif").unlink()
    with pytest.raises(DataError, match=r"02_ST/SEG/man_seg003\.tif: silver truth missing"):
        data.list_frames(dataset, "02")


@pytest.mark.parametrize("label", ["01_ST/SEG/man_seg", "01_GT/SEG/man_seg", "01_GT/TRA/man_track"])
def test_label_without_frame(dataset, label):
    (dataset / f"{label}004.tif").write_bytes(b"")
    with pytest.raises(DataError, match=rf"{label}004\.tif: label without its frame 4"):
        data.list_frames(dataset, "01")


def test_one_number_twice(dataset):
    (dataset / "01/t0002.tif").write_bytes(b"")
    with pytest.raises(DataError, match="the same frame number as"):
        data.list_frames(dataset, "01")


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.zeros((8, 8), np.float32), "float32 of shape (8, 8)"),
        (np.zeros((8, 8, 3), np.uint8), "uint8 of shape (8, 8, 3)"),
        (np.zeros((8, 8), np.int16), "int16 of shape (8, 8)"),
    ],
    ids=["float", "RGB", "signed"],
)
def test_image_of_another_kind(tmp_path, image, found):
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, image, photometric="rgb" if image.ndim == 3 else "minisblack")
    with pytest.raises(DataError) as caught:
        data.read_image(path)
    assert str(caught.value).startswith(f"{path}: {found}; expected one channel of uint8 or uint16")


def test_label_of_another_shape(dataset):
    path = dataset / "01_ST/SEG/man_seg001.tif"
    tifffile.imwrite(path, np.ones((8, 7), np.uint16))
    with pytest.raises(DataError, match=r"man_seg001\.tif: shape \(8, 7\); the image has \(8, 8\)"):
        data.read_video(dataset, "01")


def test_label_with_no_cell(dataset):
    tifffile.imwrite(dataset / "01_ST/SEG/man_seg001.tif", np.zeros((8, 8), np.uint16))
    with pytest.raises(DataError, match=r"man_seg001\.tif: no cell in it"):
        data.read_video(dataset, "01")


def test_label_with_the_id_of_unknown_pixels(dataset):
    tifffile.imwrite(dataset / "01_ST/SEG/man_seg001.tif", np.full((8, 8), 65535, np.uint16))
    with pytest.raises(DataError, match=r"man_seg001\.tif: id 65535 stands for unknown pixels"):
        data.read_video(dataset, "01")


def test_frame_of_another_type_than_the_first(dataset):
    tifffile.imwrite(dataset / "01/t002.tif", np.ones((8, 8), np.uint16))
    with pytest.raises(DataError, match=r"t002\.tif: uint16 .* the first frame is uint8"):
        data.read_video(dataset, "01")


@pytest.mark.parametrize("directory", ["first", "last"])
def test_truncated_image_is_never_read(tmp_path, directory):
    path, image = tmp_path / "t000.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64)
    if directory == "first":
        tifffile.imwrite(path, image, compression="lzw", rowsperstrip=8)
    else:  # as the challenge's files are: header, strips, directory
        write_with_directory_last(path, image)
    np.testing.assert_array_equal(data.read_image(path), image)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"t000\.tif: cannot be read \(.+\)"):
            data.read_image(path)


def write_with_directory_last(path, image):
    tags = [(256, 64), (257, 64), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 64)]
    tags.append((279, image.nbytes))
    entries = b"".join(np.array([t, 4, 1, 0, v, 0], "<u2").tobytes() for t, v in tags)
    header = b"II*\0" + np.uint32(8 + image.nbytes).tobytes()
    path.write_bytes(header + image.tobytes() + np.uint16(len(tags)).tobytes() + entries + bytes(4))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"t000\.tif: cannot be read"):
        data.read_image(tmp_path / "t000.tif")


# Checksums


def test_checksums_cover_images_labels_and_tracks_alone(dataset):
    (dataset / "README.txt").write_text("not data")
    (dataset / "01_RES").mkdir()
    (dataset / "01_RES/mask000.tif").write_bytes(b"a result")
    sums = digests.checksums(dataset)
    assert len(sums) == 2 * (4 + 4 + 4 + 1 + 1)
    content = (dataset / "01/t001.tif").read_bytes()
    assert sums["01/t001.tif"] == hashlib.sha256(content).hexdigest()


def test_checksum_of_a_file_that_cannot_be_read(dataset):
    (dataset / "01/t004.tif").symlink_to(dataset / "nowhere")
    with pytest.raises(DataError, match=r"01/t004\.tif: cannot be read"):
        digests.checksums(dataset)


def test_digest_is_that_of_the_sorted_lines():
    sums = {"02/t000.tif": "b", "01/t000.tif": "a", "01_ST/SEG/man_seg000.tif": "c"}
    expected = hashlib.sha256(b"01/t000.tif a\n02/t000.tif b\n").hexdigest()
    assert digests.digest(sums, "??/t*.tif") == expected
    assert digests.digest(dict(reversed(sums.items())), "??/t*.tif") == expected
    assert digests.digest(sums, "??_GT/*") is None


def test_record_names_another_revision_of_the_silver_truth(dataset):
    here = Source("folder", dataset, HELA, "folder named by data.folder")
    known = digests.data_record(here, {})["digests"]
    label = dataset / "01_ST/SEG/man_seg000.tif"
    tifffile.imwrite(label, np.ones((8, 8), np.uint16))
    record = digests.data_record(here, known)
    assert record["frames"] == {"01": 4, "02": 4}
    assert (record["shape"], record["dtype"]) == ([8, 8], "uint8")
    assert record["revision"] == {
        "images": "as published here",
        "silver": "another revision",
        "gold": "as published here",
    }
    assert str(dataset) not in str(record)


def test_record_compares_no_phantom(dataset):
    record = digests.data_record(Source("phantom", dataset, HELA, "seed 1"), {"images": "0"})
    assert set(record["revision"].values()) == {"nothing to compare"}


def test_record_of_a_video_with_labels_alone(dataset):
    for path in (dataset / "02").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="02: no images t000.tif"):
        digests.data_record(Source("folder", dataset, HELA, ""), {})


def test_record_of_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match="no videos"):
        digests.data_record(Source("folder", tmp_path, HELA, ""), {})


# Where the data come from


ASKED = {"name": HELA, "phantom_seed": 1, "phantom_frames": 4, "phantom_size": 64}


@pytest.fixture
def find(tmp_path, monkeypatch):
    """Find a source with an empty cache, no environment, no network and a small phantom."""
    monkeypatch.setattr(source, "URL", "http://127.0.0.1:9/{name}.zip")
    monkeypatch.setattr(source.phantom, "write_phantom", lambda folder, **_: write_set(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return partial(find_source, **ASKED, cache=tmp_path / "cache", environ={})


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


def test_auto_takes_the_variable_then_the_folder_then_the_cache(find, tmp_path, serve):
    named, given_, cached = (tmp_path / name for name in ("named", "given", f"cache/{HELA}"))
    for folder in (named, given_, cached):
        write_set(folder)
    serve(b"", status=500)  # asked for nothing
    variable = {"DIC_HELA_DIR": str(named)}
    first = find(source="auto", folder=str(given_), environ=variable)
    second = find(source="auto", folder=str(given_))
    third = find(source="auto", folder="")
    assert [s.folder for s in (first, second, third)] == [named, given_, cached]
    assert [s.kind for s in (first, second, third)] == ["folder", "folder", "download"]
    assert first.label == f"{HELA}, the real images (folder named by DIC_HELA_DIR)"


def test_auto_downloads_where_nothing_is_at_hand(find, tmp_path, dataset, serve):
    serve(zipped(dataset, tmp_path))
    found = find(source="auto", folder="")
    assert (found.kind, found.folder) == ("download", tmp_path / "cache" / HELA)
    assert digests.checksums(found.folder) == digests.checksums(dataset)
    assert [path.name for path in found.folder.parent.iterdir()] == [HELA]


def test_download_has_the_same_record_when_it_is_found_again(find, tmp_path, dataset, serve):
    serve(zipped(dataset, tmp_path))
    first = find(source="auto", folder="")
    serve(b"", status=500)  # asked for nothing
    assert find(source="auto", folder="") == find(source="download", folder="") == first


def test_auto_without_a_network_takes_the_phantom(find, tmp_path):
    found = find(source="auto", folder="")
    assert found.is_phantom
    assert found.folder.parent == tmp_path / "cache"
    assert found.folder.name.startswith("phantom-1-4x64-")
    assert found.label == "phantom (procedural, not real data), seed 1"
    assert len(data.list_frames(found.folder, "01")) == 4


def test_phantom_reads_as_a_data_set(tmp_path):
    found = find_source(source="phantom", folder="", **ASKED, cache=tmp_path, environ={})
    record = digests.data_record(found, {})
    assert record["frames"] == {"01": 4, "02": 4}
    assert (record["shape"], record["dtype"]) == ([64, 64], "uint8")
    images, labels = data.read_video(found.folder, "02")
    assert images.shape == labels.shape == (4, 64, 64)


def test_phantom_is_written_once(find, monkeypatch):
    first = find(source="phantom", folder="")
    monkeypatch.setattr(source.phantom, "write_phantom", None)
    assert find(source="phantom", folder="") == first


def test_variable_does_not_stand_in_for_another_data_set(find, tmp_path, dataset):
    write_set(tmp_path / "given")
    asked = {"name": "Fluo-N2DL-HeLa", "environ": {"DIC_HELA_DIR": str(dataset)}}
    found = find(source="auto", folder=str(tmp_path / "given"), **asked)
    assert found.folder == tmp_path / "given"
    assert "Fluo-N2DL-HeLa" in found.label


def test_cache_folder_comes_from_the_environment(tmp_path):
    write_set(tmp_path / "mine" / HELA)
    environ = {"UNET_DIC_HELA_CACHE": str(tmp_path / "mine")}
    found = find_source(source="auto", folder="", **ASKED, environ=environ)
    assert found.folder == tmp_path / "mine" / HELA


@pytest.mark.parametrize("kind", ["auto", "folder"])
def test_named_folder_that_does_not_exist(find, tmp_path, kind):
    environ = {"DIC_HELA_DIR": str(tmp_path / "nowhere")}
    with pytest.raises(DataError, match=r"nowhere: no such folder \(named by DIC_HELA_DIR\)"):
        find(source=kind, folder="", environ=environ)


def test_given_folder_that_does_not_exist(find, tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder \(named by data\.folder\)"):
        find(source="auto", folder=str(tmp_path / "nowhere"))


def test_folder_asked_for_and_none_named(find):
    with pytest.raises(DataError, match="neither data.folder nor DIC_HELA_DIR"):
        find(source="folder", folder="")


def test_download_asked_for_and_no_network(find):
    with pytest.raises(DataError, match="not reached"):
        find(source="download", folder="")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"PK no archive", "not a whole ZIP archive"), (b"", "not a whole ZIP archive")],
)
def test_download_that_is_no_archive(find, serve, tmp_path, content, message):
    serve(content)
    with pytest.raises(DataError, match=message):
        find(source="auto", folder="")
    assert list((tmp_path / "cache").iterdir()) == []


def test_download_of_another_data_set(find, serve, tmp_path, dataset):
    serve(zipped(dataset, tmp_path))
    with pytest.raises(DataError, match="the archive holds no folder PhC-C2DH-U373"):
        find(source="auto", folder="", name="PhC-C2DH-U373")


def test_download_with_a_damaged_member(find, serve, tmp_path, dataset):
    content = bytearray(zipped(dataset, tmp_path))
    content[content.index(b"II*\0") + 8] ^= 255
    serve(bytes(content))
    with pytest.raises(DataError, match="not a whole ZIP archive.*CRC"):
        find(source="auto", folder="")


def test_download_that_the_server_refuses(find, serve):
    serve(b"", status=404)
    with pytest.raises(DataError, match="404"):
        find(source="auto", folder="")


def test_download_that_breaks_off(find, serve, monkeypatch):
    monkeypatch.setattr(source, "READ_S", 0.2)
    serve(bytes(10_000), stall=True)
    with pytest.raises(DataError, match="the download broke off"):
        find(source="auto", folder="")


def test_cache_that_cannot_be_written(find, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cache.*cannot be written.*UNET_DIC_HELA_CACHE"):
        find(source="phantom", folder="")


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_name_that_is_no_data_set(find, name):
    with pytest.raises(DataError, match="not a name of the Cell Tracking Challenge"):
        find(source="auto", folder="", name=name)


def test_unknown_source(find):
    with pytest.raises(DataError, match="source 'internet'"):
        find(source="internet", folder="")


def test_two_writers_at_once_leave_one_whole_folder(find, tmp_path, monkeypatch):
    both = threading.Barrier(2)

    def write(folder, **_):
        write_set(folder)
        both.wait(10)

    monkeypatch.setattr(source.phantom, "write_phantom", write)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(find(source="phantom", folder="")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.name.startswith("phantom-1-4x64-")
    assert len(data.list_frames(found[0].folder, "02")) == 4


# Archives


@pytest.mark.parametrize("name", ["../t000.tif", "a/../../t000.tif", "/t000.tif", r"C:\t000.tif"])
def test_archive_member_outside_the_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("good.tif", b"")
        file.writestr(name, b"")
    with pytest.raises(DataError, match="unsafe member"):
        unzip(tmp_path / "a.zip", tmp_path / "out", "a.zip")
    assert not (tmp_path / "out").exists()


def test_archive_with_a_link(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/etc")
    with pytest.raises(DataError, match="unsafe member 'link'"):
        unzip(tmp_path / "a.zip", tmp_path / "out", "a.zip")


def test_archive_that_unpacks_to_too_much(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(100_000))
    with pytest.raises(DataError, match="unpacks to 100000 bytes, more than 99999"):
        unzip(tmp_path / "a.zip", tmp_path / "out", "a.zip", limit=99_999)
