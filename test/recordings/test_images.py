import cv2
import numpy as np

from rs_denoise.recordings.images import decode_image, encode_png
from scenes import noisy_wall


def test_a_png_of_a_bag_is_exact_and_nearly_as_small_as_possible():
    depth, infrared = noisy_wall(848, 480)
    confidence = np.where(depth > 0, 255 - infrared // 20, 0).astype(np.uint8)
    for image in (depth, infrared, confidence):
        encoded = encode_png(image)
        decoded = decode_image(encoded)
        assert decoded.dtype == image.dtype
        np.testing.assert_array_equal(decoded, image)
        smallest = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
        assert len(encoded) < 1.15 * len(smallest)
