import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from torch import nn

from rs_denoise.model import Model, save
from rs_denoise.shipped_models import DEFAULT_MODEL
from scenes import NanWhenDazzled, Scaled, manifest

PROJECT = Path(__file__).parents[1]
REAL_DATA = PROJECT.parent / "shared" / "data" / "real"
SAMPLE = PROJECT / "demo" / "room"

# `make test` shares the files of tests among workers: processes of pytest-xdist, "gw0", "gw1", ...
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
RUN_PID = os.getpid() if WORKERS == 1 else os.getppid()

# Tests talk to nobody else: each worker has a ROS domain of its own, on this machine only.
os.environ["ROS_DOMAIN_ID"] = str(1 + (RUN_PID + WORKER) % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
# Two threads that wait for each other beside other work take ten times as long as one.
# OMP_NUM_THREADS is for the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
# A shell that runs pytest in the background makes it ignore Ctrl-C, and the processes that tests
# start and interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Shared machines stall: how long an example takes says nothing.
settings.register_profile("project", deadline=None, max_examples=60)
settings.load_profile("project")


@pytest.fixture
def make_model(tmp_path):
    """Writes and loads a model with this network; real file, real loader."""

    def make(network: nn.Module, **changes) -> Model:
        path = tmp_path / "model.pt"
        save(network, manifest(**changes), path)
        return Model.load(path, "cpu", "float32")

    return make


@pytest.fixture(scope="module")
def simple_model(tmp_path_factory):
    """A model file for what does not depend on the network, which takes no time."""
    path = tmp_path_factory.mktemp("model") / "simple.pt"
    save(NanWhenDazzled(), manifest(), path)
    return path


@pytest.fixture
def good(tmp_path):
    """A model file that is whole."""
    path = tmp_path / "good.pt"
    save(Scaled(), manifest(), path)
    return path


@pytest.fixture(scope="session")
def shipped() -> Model:
    return Model.load(DEFAULT_MODEL, "cpu", "float32")


@pytest.fixture(scope="session")
def sample_frame():
    """The first frame of the sample recording, which has ground truth."""
    from rs_denoise.recordings.bags.bag_reader import read_bag

    return next(read_bag(SAMPLE))


@pytest.fixture(scope="session")
def display():
    """A screen for windows that Tk draws: its name, as DISPLAY takes it."""
    pytest.importorskip("tkinter", reason="this Python has no Tk (Debian's python3-tk)")
    if not shutil.which("Xvfb"):
        pytest.skip("no Xvfb: no display to open a window on")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1920x1080x24", "-nolisten", "tcp"],
        pass_fds=[write], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as answer:
        number = answer.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)
