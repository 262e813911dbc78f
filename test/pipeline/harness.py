"""A frame pipeline that runs with a small camera, and its results."""

import queue
from dataclasses import replace

import numpy as np

from rs_denoise.gate import Gate
from rs_denoise.pipeline.frame_pipeline import FramePipeline, FrameSettings, InputFrame
from rs_denoise.pipeline.resources import NetworkSettings, SharedResources
from scenes import camera, noisy_wall

SIZE = (64, 48)
CAMERA = camera(*SIZE)
DEPTH, INFRARED = noisy_wall(*SIZE)
DAZZLED = np.full_like(INFRARED, 255)
TIMEOUT_S = 20.0


class Harness:
    """A running pipeline and what it called back with."""

    def __init__(self, model_path, /, warm=True, **settings):
        network = SharedResources().prepare(NetworkSettings(str(model_path), "cpu", **settings))
        self.network = network
        self.results: queue.Queue = queue.Queue()
        self.fatal: queue.Queue = queue.Queue()
        self.pipeline = FramePipeline(network, self.results.put, self.fatal.put)
        self.pipeline.start()
        if warm:
            self.pipeline.warm_up(*SIZE)
            network.workers.run_in_each(lambda: None)  # the warm-up before has ended

    def submit(
        self, source=None, depth=DEPTH, infrared=INFRARED, read_depth=None, right=None,
        depth_size=SIZE, **settings,
    ):  # fmt: skip
        """Submits a frame; whether that dropped another."""
        frame = InputFrame(
            source=source,
            depth_size=depth_size,
            read_depth=read_depth or (lambda: depth),
            read_infrared=infrared if callable(infrared) else lambda: infrared,
            camera=CAMERA,
            settings=replace(FrameSettings(Gate()), **settings),
            received_ns=0,
            read_infrared_right=right,
        )
        return self.pipeline.submit(frame)

    def process(self, *arguments, **settings):
        """Submits a frame and waits for its result."""
        self.submit(*arguments, **settings)
        return self.results.get(timeout=TIMEOUT_S)
