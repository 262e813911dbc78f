import json

import pytest

from rs_denoise.recordings.resumable_output import ResumeError, begin_or_resume


def test_the_same_settings_resume_and_others_are_named(tmp_path):
    assert begin_or_resume(tmp_path / "out", "note.json", {"a": 1})
    assert begin_or_resume(tmp_path / "out", "note.json", {"a": 1})
    with pytest.raises(ResumeError, match="a: 1 -> 2"):
        begin_or_resume(tmp_path / "out", "note.json", {"a": 2})


@pytest.mark.parametrize("damaged", [b"", b"[1, 2", b"[]", b"\xff\xfe\x00"])
def test_a_damaged_note_is_written_anew_and_vouches_for_nothing(tmp_path, damaged):
    (tmp_path / "note.json").write_bytes(damaged)
    assert not begin_or_resume(tmp_path, "note.json", {"a": 1})
    assert json.loads((tmp_path / "note.json").read_text()) == {"a": 1}
