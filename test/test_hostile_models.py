"""Damaged, inconsistent and malicious model files: each is rejected or gives the same network."""

import io
import json
import pickle
import random
import tracemalloc
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rs_denoise.manifest import Manifest, ModelError
from rs_denoise.model import Model, save
from rs_denoise.model_archive import MAX_MANIFEST_BYTES
from rs_denoise.shipped_models import DEFAULT_MODEL
from scenes import Scaled, manifest, rewritten


@pytest.fixture(scope="module")
def convolving(tmp_path_factory):
    """A file with weights, and what its network answers."""

    class Convolving(Scaled):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 64, 5, padding=2)

        def forward(self, disparity_px, infrared):
            disparity, scale = super().forward(disparity_px, infrared)
            return disparity + self.conv(infrared).mean(1, keepdim=True), scale

    path = tmp_path_factory.mktemp("model") / "convolving.pt"
    torch.manual_seed(0)
    save(Convolving(), manifest(), path)
    return path


def answer(model):
    image = torch.arange(32 * 32.0).reshape(1, 1, 32, 32)
    with torch.inference_mode():
        return torch.cat(model(image, image))


def test_no_spoilt_file_loads_as_another_network(convolving, tmp_path):
    """Each of 400 files is refused or is the same network: torch itself loads flipped weights."""
    whole = convolving.read_bytes()
    expected = answer(Model.load(convolving, "cpu", "float32"))
    path, rng, refused = tmp_path / "spoilt.pt", random.Random(1), 0
    for _ in range(400):
        data = bytearray(whole)
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        else:
            for _ in range(rng.randint(1, 3)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            assert torch.equal(answer(Model.load(path, "cpu", "float32")), expected)
        except ModelError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 200


def test_a_flipped_bit_in_the_weights_is_told(tmp_path):
    data = bytearray(DEFAULT_MODEL.read_bytes())
    with zipfile.ZipFile(DEFAULT_MODEL) as archive:
        weights = max(archive.infolist(), key=lambda entry: entry.file_size)
    data[weights.header_offset + weights.file_size // 2] ^= 0x40
    path = tmp_path / "flipped.pt"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=f"damaged in {weights.filename}; copy or export"):
        Model.load(path)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused(convolving, data):
    path = convolving.with_name("bytes.pt")
    for content in (data, b"PK\3\4" + data, data + convolving.read_bytes()[-300:]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="not a model file"):
            Model.load(path)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
manifests = st.dictionaries(st.sampled_from(sorted(asdict(manifest()))), anything, max_size=2)


@given(text=st.text() | anything.map(json.dumps))
def test_any_text_for_a_manifest_is_refused(text):
    with pytest.raises(ModelError):
        Manifest.from_json(text, Path("m.pt"))


@given(changes=manifests)
def test_any_change_of_a_manifest_is_refused_or_of_the_right_type(changes):
    try:
        read = Manifest.from_json(json.dumps(asdict(manifest()) | changes), Path("m.pt"))
    except ModelError as error:
        assert str(error).startswith("m.pt: ")
        return
    assert type(read.format) is type(read.stride_px) is type(read.receptive_field_px) is int
    for word in (read.name, read.network, read.training_data, read.licence, read.verdict):
        assert isinstance(word, str)
    read.name.encode()  # as a ROS message does
    assert all(type(value) in (int, float) for value in read.metrics.values())


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", 5), ("name", None), ("name", "\ud800"), ("name", "a\0b"), ("licence", ["MIT"]),
     ("metrics", "none"), ("metrics", {"mae": "2"}), ("metrics", {"mae": True}),
     ("format", True), ("format", float("nan")), ("stride_px", 16.0), ("stride_px", float("nan"))],
)  # fmt: skip
def test_a_manifest_of_wrong_types(good, field, value):
    text = json.dumps({**asdict(manifest()), field: value})
    with pytest.raises(ModelError, match=field):
        Model.load(rewritten(good, lambda _: text))


def zipped(path, entries, method):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


BOMB = bytes(64 * 2**20)


@pytest.mark.parametrize("method", ["STORED", "DEFLATED", "BZIP2", "LZMA"])
@pytest.mark.parametrize("where", ["manifest", "weights", "manifest that says it is small"])
def test_a_zip_bomb_is_not_unpacked(tmp_path, method, where):
    path = tmp_path / "bomb.pt"
    manifest_text = json.dumps(asdict(manifest())).encode()
    entries = {"m/extra/manifest.json": manifest_text, "m/data/0": BOMB}
    if where != "weights":
        entries = {"m/extra/manifest.json": BOMB, "m/version": b"3"}
    zipped(path, entries, getattr(zipfile, f"ZIP_{method}"))
    if where.endswith("small"):
        data = path.read_bytes()
        path.write_bytes(data.replace(len(BOMB).to_bytes(4, "little"), b"\x10\0\0\0"))
    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            Model.load(path, "cpu")
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_more_than_a_model_has_is_not_unpacked_at_all(tmp_path):
    path = tmp_path / "large.pt"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for k in range(3):
            archive.writestr(f"m/{k}", "small")
    for k in range(3):  # the directory says 1 GB each
        at = data.getvalue().rindex(f"m/{k}".encode()) - 22
        data.seek(at)
        data.write((2**30).to_bytes(4, "little"))
    path.write_bytes(data.getvalue())
    with pytest.raises(ModelError, match=f"unpacks to {3 * 2**30} bytes"):
        Model.load(path)


def test_a_manifest_that_needs_a_password(good):
    data = bytearray(good.read_bytes())
    at = data.rindex(b"/extra/manifest.json")
    central = data.rindex(b"PK\1\2", 0, at)
    data[central + 8] |= 1
    good.write_bytes(data)
    with pytest.raises(ModelError, match="not a model file"):
        Model.load(good)


def test_a_pickle_inside_torchscript_is_not_run_by_python(good, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(good) as old:
        entries = {entry.filename: old.read(entry) for entry in old.infolist()}
    for name in entries:
        if name.endswith("data.pkl"):
            entries[name] = pickle.dumps(Bomb(), protocol=2)
    zipped(path, entries, zipfile.ZIP_STORED)
    with pytest.raises(ModelError, match="TorchScript cannot be loaded"):
        Model.load(path, "cpu")
    assert not (tmp_path / "exploded").exists()


class Writes(nn.Module):
    """A network that also writes a file, when it runs or already when it is loaded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, disparity_px, infrared):
        torch.save(disparity_px, self.path)
        return disparity_px, torch.ones_like(infrared)


class WritesWhenLoaded(Writes):
    def forward(self, disparity_px, infrared):
        return disparity_px, torch.ones_like(infrared)

    @torch.jit.export
    def __getstate__(self):
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        self.training = state[1]
        torch.save(torch.ones(1), self.path)


class Maps(Writes):
    def forward(self, disparity_px, infrared):
        mapped = torch.from_file(self.path, True, 16)
        return disparity_px + mapped.fill_(1.0).mean() - 1.0, torch.ones_like(infrared)


@pytest.mark.parametrize("kind", [Writes, WritesWhenLoaded, Maps])
def test_a_program_that_writes_files_is_refused_before_it_runs(tmp_path, kind):
    path, written = tmp_path / "writes.pt", tmp_path / "written"
    script = torch.jit.script(kind(str(written)).eval())
    text = json.dumps(asdict(manifest()))
    torch.jit.save(script, str(path), _extra_files={"manifest.json": text})
    with pytest.raises(ModelError, match="its program uses '(save|from_file)'.*do not trust"):
        Model.load(path, "cpu")
    assert not written.exists()
    loaded = torch.jit.load(str(path))
    loaded(torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16))
    assert written.exists(), "torch itself lets it"


def test_an_archive_behind_something_else(good):
    good.write_bytes(b"something else" + good.read_bytes())
    with pytest.raises(ModelError, match="not a model file.*does not start like a zip archive"):
        Model.load(good)


def test_deep_json_of_the_largest_size(good):
    with pytest.raises(ModelError, match="manifest is not valid"):
        Model.load(rewritten(good, lambda _: '{"a":' * (MAX_MANIFEST_BYTES // 5)))


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "/", ".", ""])
def test_a_path_that_is_no_file(path):
    with pytest.raises(ModelError):
        Model.load(path)
