import os
import threading
from pathlib import Path

import pytest

from rs_denoise.recordings.atomic_output import atomic_output, write_text


def test_a_file_appears_when_it_is_complete_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for text in ("first", "second"):
        with atomic_output(path) as unfinished:
            assert unfinished.name == path.name
            unfinished.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
    assert list(tmp_path.rglob("*")) == [path.parent, path]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with atomic_output(tmp_path / "bag") as unfinished:
        unfinished.mkdir()
        (unfinished / "metadata.yaml").write_text("")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["bag", "metadata.yaml"]


def test_nothing_is_left_of_what_failed(tmp_path):
    with pytest.raises(KeyError), atomic_output(tmp_path / "a") as unfinished:
        unfinished.write_text("half")
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_text_replaces_the_old_one_only_when_it_is_complete(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    write_text(path, "first ü")
    assert path.read_text(encoding="utf-8") == "first ü"

    def fill_the_disk(self, text, **how):
        self.touch()
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_text", fill_the_disk)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "second")
    assert path.read_text(encoding="utf-8") == "first ü" and list(tmp_path.iterdir()) == [path]


def test_a_text_can_go_into_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "text")
    reader.join(10)
    assert read == ["text"] and list(tmp_path.iterdir()) == [pipe]
