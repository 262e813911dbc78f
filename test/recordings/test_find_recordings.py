import pytest

from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.find_recordings import find_recordings
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from scenes import camera, noisy_wall


def frame(name="a"):
    return Frame(name, camera(96, 64), *noisy_wall(96, 64), stamp_ns=10**9)


@pytest.fixture
def folder(tmp_path):
    """A bag, a file of a bag, frame folders, and what is no recording."""
    write_rosbag2(tmp_path / "all" / "drive", [frame()])
    write_frame(tmp_path / "all" / "desk" / "a", frame())
    write_frame(tmp_path / "all" / "desk" / "b", frame())
    (tmp_path / "all" / "notes").mkdir()
    (tmp_path / "all" / "readme.txt").write_text("x")
    (mcap,) = (tmp_path / "all" / "drive").glob("*.mcap")
    (tmp_path / "all" / "single.mcap.zst").write_text("no bag")
    (tmp_path / "one.mcap").write_bytes(mcap.read_bytes())
    return tmp_path


def test_a_folder_stands_for_the_recordings_in_it(folder):
    (folder / "all" / "single.mcap.zst").unlink()
    found = find_recordings([folder / "all", folder / "one.mcap"])
    assert found == {
        "desk": folder / "all" / "desk",
        "drive": folder / "all" / "drive",
        "one.mcap": folder / "one.mcap",
    }


def test_recordings_themselves_are_not_opened_up(folder):
    for path in ("all/drive", "all/desk", "all/desk/a", "one.mcap", "missing"):
        assert list(find_recordings([folder / path]).values()) == [folder / path]


def test_files_of_bags_in_a_folder_are_recordings_but_parts_of_one_are_not(folder):
    content = (folder / "one.mcap").read_bytes()
    for place, names in {
        "days": ("monday.mcap", "friday.mcap"),
        "split": ("r_0.mcap", "r_1.mcap"),
    }.items():
        (folder / place).mkdir()
        for name in names:
            (folder / place / name).write_bytes(content)
    assert list(find_recordings([folder / "days"])) == ["friday.mcap", "monday.mcap"]
    assert list(find_recordings([folder / "split"])) == ["split"]


def test_a_single_file_does_not_hide_the_folders_next_to_it(folder):
    stray = (folder / "one.mcap").rename(folder / "all" / "one.mcap")
    (folder / "all" / "single.mcap.zst").unlink()
    assert list(find_recordings([folder / "all"])) == ["desk", "drive", "one.mcap"]
    stray.unlink()
    (folder / "all" / "drive").rename(folder / "drive")
    assert list(find_recordings([folder / "all"])) == ["desk"]


def test_equal_names_get_as_much_of_the_path_as_tells_them_apart(folder):
    for robot in ("r1", "r2"):
        write_frame(folder / robot / "desk" / "a", frame())
    paths = [folder / "r1" / "desk", folder / "r2" / "desk", folder / "all" / "drive"]
    assert list(find_recordings(paths)) == ["r1_desk", "r2_desk", "drive"]
    assert list(find_recordings([paths[0], paths[0]])) == ["desk"]


def test_no_recording_is_lost_if_whole_paths_are_joined_to_one_name(folder):
    paths = [folder / "a_b", folder / "a" / "b", folder / "c" / "b"]
    for path in paths:
        write_frame(path / "x", frame())
    found = find_recordings(paths)
    assert list(found.values()) == paths
    first, second, third = found
    assert second == f"{first}_2" and third == "c_b"
