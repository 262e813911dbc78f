import sys

import numpy as np
import pytest

from rs_denoise.librealsense import (
    DEPTH,
    LibrealsenseMissing,
    SoftwareCamera,
    StreamError,
    import_pyrealsense2,
)
from scenes import camera


def test_without_librealsense_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(LibrealsenseMissing, match="pip install pyrealsense2.*libusb-1.0-0"):
        import_pyrealsense2()


@pytest.mark.parametrize("image", [np.zeros((63, 96), np.uint16), np.zeros((64, 96), np.uint8)])
def test_an_image_that_is_too_short_never_reaches_librealsense(image):
    pytest.importorskip("pyrealsense2", reason="pyrealsense2 or its libusb is not installed")
    with pytest.raises(StreamError, match="expects uint16 of 96x64, got uint"):
        SoftwareCamera(camera(96, 64)).put(DEPTH, image, 0, 1)
