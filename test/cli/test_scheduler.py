"""`--scheduler`: a real Dask scheduler and worker processes, some of which are killed."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

dask = pytest.importorskip("dask", reason="Dask is not installed")
distributed = pytest.importorskip("distributed", reason="Dask is not installed")
psutil = pytest.importorskip("psutil", reason="it comes with Dask")

from cli.in_process import run_in_process, words
from rs_denoise.cli.main import main
from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.frame import Frame
from scenes import camera, noisy_wall

FEW = ("--model", "unet-tiny")
NO_DASHBOARD = ("--no-dashboard", "--host", "127.0.0.1")
# If the tests are killed, their cluster ends by itself.
IDLE, ALONE = ("--idle-timeout", "600"), ("--death-timeout", "60")
# A task whose second worker dies too is given up.
SETTINGS = {
    **os.environ,
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    # No worker holds a second task, which would be blamed for its death.
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": "1.0",
}
# Enough frames that a worker does not end before it is killed.
RECORDINGS = {"broken": 0, "deadly": 160, "killed": 160, "short": 2}


def start(*arguments, folder):
    command = [sys.executable, "-m", "dask", *map(str, arguments)]
    return subprocess.Popen(
        command, env=SETTINGS, cwd=folder, start_new_session=True, stderr=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a scheduler with two workers, in another folder than the test's."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    started = [
        start("scheduler", "--scheduler-file", file, "--port", 0, *IDLE, *NO_DASHBOARD,
              folder=folder),
        start("worker", "--scheduler-file", file, "--nworkers", 2, "--nthreads", 1,
              "--local-directory", folder, *ALONE, *NO_DASHBOARD, folder=folder),
    ]  # fmt: skip
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline and started[0].poll() is None
        time.sleep(0.05)
    address = json.loads(file.read_text())["address"]
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield address
    for process in started[::-1]:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(*arguments):
    return run_in_process(main, *arguments)


def frames(count, seed=0):
    for k in range(count):
        depth, infrared = noisy_wall(96, 64, seed=seed + k)
        yield Frame(f"{k:04d}", camera(96, 64), depth, infrared, stamp_ns=10**9 + k * 33_000_000)


@pytest.fixture
def recordings(tmp_path):
    """A folder with three bags and one that cannot be read."""
    folder = tmp_path / "all"
    for name, count in RECORDINGS.items():
        if count:
            write_rosbag2(folder / name, frames(count, seed=len(name)))
    (folder / "broken").mkdir()
    (folder / "broken" / "x.mcap").write_bytes(b"\x89MCAP0\r\n nothing")
    return folder


class Killer(threading.Thread):
    """Kills the worker that denoises a recording, as often as `times` says by number of its task.

    It waits until the worker wrote three frames more than the one before it.
    """

    def __init__(self, address, times):
        super().__init__(daemon=True)
        self.address, self.times = address, times
        self.ended = threading.Event()

    def run(self):
        written = dict.fromkeys(self.times, 0)
        with distributed.Client(self.address, set_as_default=False) as client:
            while any(self.times.values()) and not self.ended.wait(0.02):
                for folder in [folder for folder, left in self.times.items() if left]:
                    count = len(list(folder.glob("*/camera.json")))
                    if count >= written[folder] + 3 and self.kill(client, folder):
                        self.times[folder] -= 1
                        written[folder] = count

    def kill(self, client, folder):
        number = sorted(RECORDINGS).index(folder.name)
        for address, keys in client.processing().items():
            if any(key.endswith(f"-{number}") for key in keys):
                return kill_who_listens(int(address.rpartition(":")[2]))
        return False


def kill_who_listens(port):
    """False if nobody does: the scheduler may name a worker that was just killed.

    The system is asked, because a question to a dead worker waits for its answer.
    """
    for connection in psutil.net_connections("tcp"):
        listens = connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
        if listens and connection.pid:  # None while the process dies
            with contextlib.suppress(ProcessLookupError):  # it died since the system was asked
                os.kill(connection.pid, signal.SIGKILL)
                return True
    return False


def test_a_killed_workers_recording_goes_on_elsewhere_and_one_that_kills_twice_is_named(
    cluster, recordings, tmp_path
):
    out = tmp_path / "out"
    killer = Killer(cluster, {out / "killed": 1, out / "deadly": 2})
    killer.start()
    command = ("denoise", recordings, out, *FEW)
    ended = run(*command, "--scheduler", cluster)
    killer.ended.set()
    killer.join()
    assert not any(killer.times.values()), ended.stdout + ended.stderr
    assert ended.returncode == 3, ended.stdout + ended.stderr
    said = words(ended)
    assert "failed: deadly: 2 workers died while running it, the last one tcp://" in said
    assert "failed: broken: " in said and "2 of 4 recordings in" in said
    # Frames of the killed worker are kept.
    before = int(re.search(r"160 frames in \S+killed, (\d+) of them from an earlier run", said)[1])
    assert 3 <= before < 160
    # Repeated without a cluster, the command does the rest; every pixel is as if it had done all.
    again = run(*command)
    assert "160 frames in" in words(again) and "failed: deadly" not in words(again)
    shutil.rmtree(recordings / "broken")
    assert run("denoise", recordings, tmp_path / "local", *FEW).returncode == 0
    for name in ("killed", "deadly", "short"):
        pngs = sorted((tmp_path / "local" / name).glob("*/*.png"))
        assert len(pngs) == 2 * RECORDINGS[name]
        for png in pngs:
            assert png.read_bytes() == (out / png.relative_to(tmp_path / "local")).read_bytes()


def test_evaluation_gives_what_it_gives_here(cluster, recordings, tmp_path, monkeypatch):
    """Also with paths relative to the folder where the command runs."""
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(recordings / "killed")
    settings = ("evaluate", "all", *FEW, "--max-frames", 3)
    found = []
    for name, where in (("here", ()), ("there", ("--scheduler", cluster))):
        out = run(*settings, *where, "--json", f"{name}.json", "--html", f"{name}.html")
        assert out.returncode == 3 and "failed: broken: " in words(out), out.stdout + out.stderr
        found.append(json.loads(Path(f"{name}.json").read_text()))
        for summary in found[-1]["recordings"].values():
            del summary["timing"]
        assert len(list(Path(f"{name}_recordings").iterdir())) == 2
    here, there = found
    assert list(there["recordings"]) == ["deadly", "short"] and list(there["failed"]) == ["broken"]
    assert here["recordings"] == there["recordings"] and here["mean"] == there["mean"]
    single = [run("evaluate", "all/short", *FEW, *where, "--json", "single.json")
              for where in ((), ("--scheduler", cluster))]  # fmt: skip
    assert [out.returncode for out in single] == [0, 0]
    assert json.loads(Path("single.json").read_text())["recording"] == "short"


def test_simulated_frames_are_those_made_here(cluster, tmp_path):
    pytest.importorskip("mitsuba", reason="Mitsuba is not installed")
    from rs_denoise.simulation.simulate import DataSet, run_scene, use_one_thread

    settings = ("--frames", 1, "--size", "424x240", "--camera", "d415", "--place", "room")
    out = run("simulate", tmp_path / "there", *settings, "--scheduler", cluster)
    assert out.returncode == 0 and "1 of 1 scenes" in out.stdout, out.stdout + out.stderr
    use_one_thread()
    run_scene(DataSet(tmp_path / "here", cameras=("d415",), size=(424, 240), places=("room",)), 0)
    pngs = sorted((tmp_path / "here").glob("*/*.png"))
    assert len(pngs) == 4
    for png in pngs:
        assert png.read_bytes() == (tmp_path / "there" / png.parent.name / png.name).read_bytes()


def test_what_is_wrong_with_a_cluster_is_a_sentence(tmp_path):
    write_rosbag2(tmp_path / "bag", frames(1))
    command = ("denoise", tmp_path / "bag", tmp_path / "out", "--scheduler")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    ) as threads:
        out = run(*command, threads.scheduler_address)
    assert out.returncode == 2 and "--nworkers CORES --nthreads 1" in " ".join(out.stderr.split())
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        out = run(*command, "tcp://127.0.0.1:9")
    assert out.returncode == 2 and "tcp://127.0.0.1:9" in out.stderr, out.stderr
    assert "Traceback" not in out.stderr and not (tmp_path / "out").exists()
