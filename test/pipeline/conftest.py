import pytest

from pipeline.harness import TIMEOUT_S, Harness
from rs_denoise.model import save
from scenes import NanWhenDazzled, manifest


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.pt"
    save(NanWhenDazzled(), manifest(), path)
    return path


@pytest.fixture
def start(model_path):
    running = []

    def start(path=model_path, **settings):
        running.append(Harness(path, **settings))
        return running[-1]

    yield start
    for harness in running:
        harness.pipeline.stop(TIMEOUT_S)
        assert harness.pipeline.longest_in_work_s == 0
