"""The wheel, for users without ROS: built as `python -m build` does, then installed.

It is installed without its requirements, which would be several GB to download. Instead, the
environments see the installed packages that its metadata asks for, and no others: a requirement
that is not listed is missed here too.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import xml.etree.ElementTree as ElementTree
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest

from conftest import PROJECT
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from scenes import camera, noisy_wall

requirements = pytest.importorskip("packaging.requirements", reason="packaging is not installed")
utils = pytest.importorskip("packaging.utils")

EXTRAS = {"cluster", "evaluate", "simulate", "train", "onnx", "openvino"}
SOURCES = ("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "package.xml", "LICENSE",
           "NOTICE", "resource", "requirements", "rs_denoise", "launch", "config")  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from the source distribution, so that this one is complete too."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        path = PROJECT / name
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(path, source / name, ignore=ignored)
        else:
            shutil.copy(path, source / name)
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    run([sys.executable, "-c", code], cwd=source)
    (packed,) = folder.glob("*.tar.gz")
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(folder), str(packed)])  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def run(command, code=0, **options):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    out = subprocess.run(
        command, capture_output=True, text=True, check=False, env=clean, **options
    )  # fmt: skip
    assert out.returncode == code, out.stdout + out.stderr
    return out


def required(wheel, extras):
    """The installed distributions that the wheel requires, and those that these require."""
    with ZipFile(wheel) as opened:
        (name,) = (n for n in opened.namelist() if n.endswith(".dist-info/METADATA"))
        lines = opened.read(name).decode().splitlines()
    waiting = [(line.partition(": ")[2], extras) for line in lines if line.startswith("Requires-D")]
    found = {}
    while waiting:
        text, wanted = waiting.pop()
        requirement = requirements.Requirement(text)
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": e}) for e in wanted or {""}):
            continue
        key = utils.canonicalize_name(requirement.name)
        if key not in found:
            found[key] = metadata.distribution(requirement.name)
            assert requirement.specifier.contains(found[key].version, prereleases=True), text
            waiting += [(line, set(requirement.extras)) for line in found[key].requires or ()]
    return list(found.values())


def make_environment(folder, wheel, extras):
    """A new environment with the wheel, which sees the packages that it requires."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps",
         "--no-index", "--disable-pip-version-check", str(wheel)])  # fmt: skip
    packages = folder / "packages"
    packages.mkdir()
    for distribution in required(wheel, extras):
        for file in distribution.files:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (packages / top).is_symlink():
                (packages / top).symlink_to(distribution.locate_file(top))
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "packages.pth").write_text(f"{packages}\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def plain(wheel, tmp_path_factory):
    return make_environment(tmp_path_factory.mktemp("plain") / "venv", wheel, set())


@pytest.fixture(scope="module")
def extended(wheel, tmp_path_factory):
    return make_environment(tmp_path_factory.mktemp("extended") / "venv", wheel, EXTRAS)


def test_name_and_version_are_those_of_package_xml_which_alone_has_it(wheel):
    version = ElementTree.parse(PROJECT / "package.xml").findtext("version")
    assert wheel.name == f"rs_denoise-{version}-py3-none-any.whl"
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "rs_denoise/__init__.py"):
        assert version not in (PROJECT / name).read_text()


def test_every_module_model_and_asset_is_in_it(wheel):
    expected = {
        str(path.relative_to(PROJECT))
        for path in (PROJECT / "rs_denoise").rglob("*")
        if path.is_file() and path.suffix in (".py", ".pt", ".md", ".html", ".css", ".js")
    }
    names = set(ZipFile(wheel).namelist())
    assert expected <= names and {"rs_denoise/models/unet.pt"} < expected
    shared = f"{wheel.name.rsplit('-', 3)[0]}.data/data/share/"
    assert shared + "ament_index/resource_index/packages/rs_denoise" in names
    assert shared + "rs_denoise/launch/denoise.launch.py" in names


def test_requirements_are_those_that_make_installs(wheel):
    """Each is in one file of requirements/ only, and its tested version is among those allowed."""
    with ZipFile(wheel) as opened:
        (name,) = (n for n in opened.namelist() if n.endswith(".dist-info/METADATA"))
        text = opened.read(name).decode()
    groups = {"runtime": set()} | {extra: set() for extra in EXTRAS}
    for line in re.findall(r"^Requires-Dist: (.*)$", text, re.MULTILINE):
        extra = re.search(r'extra == "(\w+)"', line)
        groups[extra[1] if extra else "runtime"].add(requirements.Requirement(line).name)
    for group, names in groups.items():
        lines = (PROJECT / "requirements" / f"{group}.txt").read_text().splitlines()
        written = {requirements.Requirement(x).name for x in lines if x and x[0] != "#"}
        assert names == written and written, group
    assert len(set().union(*groups.values())) == sum(map(len, groups.values()))
    pinned = (PROJECT / "requirements" / "constraints.txt").read_text().splitlines()
    tested = {requirements.Requirement(x).name for x in pinned if x and x[0] != "#"}
    assert tested == set().union(*groups.values())


def test_it_evaluates_without_ros_and_without_extras(plain, tmp_path):
    frame = Frame("a", camera(96, 64), *noisy_wall(96, 64))
    write_frame(tmp_path / "in" / "a", frame)
    run([plain / "rs_denoise", "evaluate", "in", "--html", "r.html", "--json", "o.json",
         "--require", "denoised.alone.fill_pct > 50"], cwd=tmp_path)  # fmt: skip
    assert json.loads((tmp_path / "o.json").read_text())["model"].startswith("unet")
    version = ElementTree.parse(PROJECT / "package.xml").findtext("version")
    assert f"rs_denoise {version}, " in (tmp_path / "r.html").read_text()
    assert "Denoise-Autoencoder" in run([plain / "autoencoder", "--help"]).stdout


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [("denoise_node", 1, "denoise_node: No module named 'rclpy'; this needs ROS 2: run '. /opt"),
     ("rs_denoise demo in", 2, "No module named 'rclpy'; this needs ROS 2"),
     ("rs_denoise denoise in o --scheduler tcp://a:1", 2, "run 'pip install distributed'"),
     ("rs_denoise train in --out run", 2, "run 'pip install lightning tensorboard pydantic'")],
)  # fmt: skip
def test_what_is_missing_is_said(plain, tmp_path, command, code, said):
    write_frame(tmp_path / "in" / "a", Frame("a", camera(96, 64), *noisy_wall(96, 64)))
    program, *arguments = command.split()
    out = run([plain / program, *arguments], code, cwd=tmp_path)
    assert said in " ".join(out.stderr.split()) and "Traceback" not in out.stderr


def test_extras_hold_all_that_their_commands_import(extended, tmp_path):
    code = (
        "import rs_denoise, pkgutil, importlib\n"
        "for m in pkgutil.walk_packages(rs_denoise.__path__, 'rs_denoise.'):\n"
        "    if not m.name.startswith(('rs_denoise.node.', 'rs_denoise.benchmark.')):\n"
        "        importlib.import_module(m.name)\n"
        "import matplotlib.pyplot, pyrealsense2, mitsuba, tensorboard\n"
        "print(rs_denoise.__file__)"
    )
    found = run([extended / "python", "-c", code], cwd=tmp_path).stdout.strip()
    assert Path(found).is_relative_to(extended.parent)
