import pytest

from pipeline.harness import TIMEOUT_S, Harness


@pytest.fixture
def start(simple_model):
    running = []

    def start(path=simple_model, **settings):
        running.append(Harness(path, **settings))
        return running[-1]

    yield start
    for harness in running:
        harness.pipeline.stop(TIMEOUT_S)
        assert harness.pipeline.longest_in_progress_s == 0
