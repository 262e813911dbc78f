"""Sends frames and random faults to a real node for as long as wanted, and counts every frame.

    python test/node/soak.py --frames 100000 --seed 1

Not collected by pytest. Ends with 1 if the node died or grew, or a frame was not accounted for:
published, dropped, failed or unpaired, as /diagnostics says. The queues before the node are long
here, so that the middleware loses nothing; with the node's own, of two, it may.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
# It talks to nobody else.
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import rclpy
from std_srvs.srv import SetBool

from node.faults import test_frames, test_streams
from node.faults.steady_camera import CAMERA, DEPTH, INFRARED
from node.messages import camera_info
from node.robot import Robot
from scenes import camera, noisy_wall

LARGER, LARGER_CAMERA = noisy_wall(160, 112), camera(160, 112)
QUEUE = 200
CHECK_EVERY = 2000
# Reports without any change, after which what is not accounted for never will be.
PATIENCE_REPORTS = 10
# From a tenth of the way on, when all sizes have been seen: less than this is no leak of frames,
# one of which a thousand would be 25 MB.
MAX_GROWTH_MB = 25.0


class Soak:
    """A robot whose frames are counted.

    Attributes:
        sent: depth images published.
        uncounted: of these, what the node never accounted for.
        faults: how often each was injected.
        rss_mb: of the node after so many frames.
    """

    def __init__(self, robot: Robot, rate_hz: float, rng: random.Random) -> None:
        self.robot, self.period_s, self.rng = robot, 1 / rate_hz, rng
        self.sent = self.uncounted = self.received = 0
        self.faults: Counter[str] = Counter()
        self.rss_mb: dict[int, float] = {}
        self.counts: dict[str, int] = {}

    def frame(self, depth=DEPTH, infrared=INFRARED, info=CAMERA, pause=True, **how) -> None:
        """Sends one frame, a sound one unless it says otherwise."""
        self.robot.send(depth, infrared, info, **how)
        self.sent += 1
        self.robot.spin_for(self.period_s if pause else 0.0)

    def drain(self) -> None:
        """Waits until every frame is accounted for, and takes down which never are."""
        self.frame()  # depth that waits for infrared is decided by the next
        unchanged = 0
        while unchanged < PATIENCE_REPORTS:
            before, self.counts = self.counts, self.robot.counts()
            n = self.counts
            ends = n["frames out"] + n["dropped"] + n["failed"] + n["unpaired"]
            missing = self.sent - ends - self.uncounted
            if missing == 0 and n["frames in"] == ends:
                break
            unchanged = unchanged + 1 if n == before else 0
        else:
            print(f"after {self.sent} frames {missing} are not accounted for: {n}", flush=True)
            self.uncounted += missing
        self.received += len(self.robot.images)
        for messages in (self.robot.images, self.robot.infos, self.robot.confidences):
            messages.clear()

    def check(self) -> None:
        """A point of the table."""
        self.drain()
        status = Path(f"/proc/{self.robot.process.pid}/status").read_text()
        resident_kb = next(x.split()[1] for x in status.splitlines() if x.startswith("VmRSS"))
        self.rss_mb[self.sent] = int(resident_kb) / 1024

    # Faults --------------------------------------------------------------------------------------

    def fault(self) -> None:
        """Injects one of them."""
        name, inject = self.rng.choice(list(FAULTS.items()))
        self.faults[name] += 1
        inject(self)

    def broken_depth(self) -> None:
        changes = (test_frames.coloured, test_frames.empty, test_frames.enormous, test_frames.short)
        self.frame(change=self.rng.choice(changes))

    def odd_depth(self) -> None:
        depth, encoding, change = self.rng.choice(list(test_frames.ODD.values()))
        self.frame(depth, encoding=encoding, change=change)

    def odd_infrared(self) -> None:
        self.frame(infrared=noisy_wall(64, 48)[1])

    def no_infrared(self) -> None:
        for _ in range(self.rng.choice([1, 5, round(1.5 / self.period_s)])):
            self.frame(infrared=None)

    def late_infrared(self) -> None:
        self.frame(infrared_delay_s=0.02)

    def infrared_of_another_moment(self) -> None:
        self.frame(infrared_shift_ms=self.rng.choice([3, 8, 16, -16]))

    def repeated_stamp(self) -> None:
        header = self.robot.next_header()
        for _ in range(3):
            self.frame(header=header)

    def stamps_jump(self) -> None:
        seconds = self.rng.choice([-1000, -1, 10, 1000])
        self.robot._stamp = max(0, self.robot._stamp + seconds * 10**9)

    def impossible_camera_info(self) -> None:
        wrong = camera_info(CAMERA, self.robot.next_header())
        for name, value in self.rng.choice(list(test_frames.IMPOSSIBLE.values())).items():
            setattr(wrong, name, value)
        self.robot.info.publish(wrong)
        self.frame(info=None)

    def contradictory_camera_info(self) -> None:
        self.frame(info=LARGER_CAMERA)

    def another_resolution(self) -> None:
        for _ in range(20):
            self.frame(*LARGER, LARGER_CAMERA)

    def flood(self) -> None:
        for _ in range(100):
            self.frame(pause=False)

    def unplugged(self) -> None:
        self.drain()
        self.robot.unplug()
        self.robot.spin_for(self.rng.random())
        plug_in(self.robot)
        self.robot.wait_connected()

    def consumer_left(self) -> None:
        self.drain()
        self.robot.stop_listening()
        self.robot.wait(lambda: self.robot.depth.get_subscription_count() == 0, "idle")
        self.robot.listen()
        self.robot.wait_connected()

    def deaf_consumer(self) -> None:
        topic = f"{self.robot.namespace}/denoised/image_rect_raw"
        deaf = subprocess.Popen(
            [sys.executable, "-c", test_streams.DEAF, topic], stdin=subprocess.PIPE
        )
        self.robot.wait(lambda: self.robot.node.count_subscribers(topic) >= 2, "the deaf consumer")
        for how in (None, signal.SIGSTOP, signal.SIGKILL):
            if how is not None:
                deaf.send_signal(how)
            for _ in range(50):
                self.frame()
        deaf.wait()

    def parameters(self) -> None:
        for _ in range(10):
            change = self.rng.choice(test_streams.LEGAL + test_streams.ILLEGAL)
            self.robot.set(**{change[0]: change[2]})
            self.frame()

    def switched_off(self) -> None:
        for on in (False, True):
            self.robot.call(SetBool, "set_enabled", SetBool.Request(data=on))
            for _ in range(10):
                self.frame()

    def reconfigured(self) -> None:
        self.drain()
        for transition in ("deactivate", "cleanup", "configure", "activate"):
            assert self.robot.transition(transition), transition
        self.robot.wait_connected()


FAULTS = {
    name.replace("_", " "): method
    for name, method in vars(Soak).items()
    if callable(method) and name not in ("__init__", "frame", "drain", "check", "fault")
}


def plug_in(robot: Robot) -> None:
    robot.plug_in(queue=QUEUE)


def soak(robot: Robot, frames: int, rate_hz: float, fault_fraction: float, seed: int) -> Soak:
    """Runs it; an AssertionError says that the node died or hangs."""
    topics = [f"{robot.namespace}/{t}/image_rect_raw" for t in ("depth", "infra1")]
    deep = {f"qos_overrides.{topic}.subscription.depth": QUEUE for topic in topics}
    plug_in(robot)
    robot.start(baseline_m=0.05, num_threads=1, **deep)
    robot.listen()
    robot.wait_connected()
    run = Soak(robot, rate_hz, random.Random(seed))
    run.check()
    while run.sent < frames:
        if run.rng.random() < fault_fraction:
            run.fault()
        else:
            run.frame()
        due = frames / 100 if len(run.rss_mb) == 1 else max(run.rss_mb) + CHECK_EVERY
        if run.sent >= due:
            run.check()
    run.check()
    return run


def report(run: Soak, seconds: float) -> bool:
    """Prints the table; whether all is well."""
    points = np.array(list(run.rss_mb.items()))
    tenth = points[points[:, 0] >= run.sent / 10][0]
    growth_mb = points[-1, 1] - tenth[1]
    print(f"frames sent          {run.sent} in {seconds:.0f} s")
    for name, count in run.counts.items():
        print(f"{name:<20} {count}")
    print(f"{'images received':<20} {run.received}")
    print(f"{'uncounted':<20} {run.uncounted}")
    quarters = [points[points[:, 0] >= run.sent * k / 4][0] for k in (1, 2, 3)]
    for frames, rss_mb in (points[1], tenth, *quarters, points[-1]):
        print(f"RSS at {100 * frames / run.sent:5.1f} %       {rss_mb:.1f} MB")
    print(f"RSS, greatest        {points[:, 1].max():.1f} MB")
    print(f"faults               {sum(run.faults.values())}")
    for name, count in sorted(run.faults.items()):
        print(f"  {name:<28} {count}")
    return run.uncounted == 0 and growth_mb < MAX_GROWTH_MB


def main() -> int:
    """Soaks as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=60.0, help="Hz")
    parser.add_argument(
        "--fault-fraction", type=float, default=0.01, help="of steps that are faults"
    )
    arguments = parser.parse_args()
    rclpy.init()
    robot = Robot(rclpy.create_node("soak"), "/soak")
    start = time.monotonic()
    try:
        run = soak(
            robot, arguments.frames, arguments.rate, arguments.fault_fraction, arguments.seed
        )
        well = report(run, time.monotonic() - start)
        code = robot.stop()
        print(f"exit code of the node {code}")
    finally:
        if robot.process is not None and robot.process.poll() is None:
            robot.process.kill()
    return 0 if well and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
