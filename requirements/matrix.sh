#!/bin/sh
# The tests of the core, the recordings and the node on every Python, ROS and NumPy with wheels.
#   sh requirements/matrix.sh python3.10 python3.11 python3.12 python3.13
# One environment a Python, in .matrix, because torch is the largest part of it; a log a cell. Ends
# with 1 if a cell fails. A cell without wheels is named and left out.
set -u
cd "$(dirname "$0")/.."
tests="test/test_camera.py test/test_denoiser.py test/test_tiling.py test/test_pairing.py
    test/test_precision.py test/test_package.py test/node/test_denoise_node.py
    test/node/test_images.py test/recordings/test_rosbag2.py test/recordings/test_messages.py"
failed=0
mkdir -p .matrix

# What .venv gets in the Makefile, without what a sourced ROS would add.
clean() {
    env -u PYTHONPATH -u LD_LIBRARY_PATH -u ROS_DISTRO -u RMW_IMPLEMENTATION \
        -u _ROS_WHEELS_BOOTSTRAP_COMPLETE AMENT_PREFIX_PATH="$venv" ROS_LOG_DIR="$venv/ros_log" \
        FASTRTPS_DEFAULT_PROFILES_FILE="$PWD/config/fastdds.xml" \
        FASTDDS_DEFAULT_PROFILES_FILE="$PWD/config/fastdds.xml" PATH="$venv/bin:$PATH" "$@"
}

install() {
    clean python -m pip install --quiet --disable-pip-version-check "$@"
}

cell() { # ROS, requirements of NumPy
    log="$PWD/.matrix/$version-$1-$2.log"
    install -r "requirements/ros-$1.txt" -r "requirements/$2.txt" >"$log" 2>&1 &&
        clean python -m pytest --quiet $tests >>"$log" 2>&1
    status=$?
    [ $status = 0 ] || failed=1
    echo "| $version | $1 | $(clean python -c 'import numpy; print(numpy.__version__)')" \
        "| $([ $status = 0 ] && echo passes || echo "FAILS") | $(tail -n 1 "$log") |"
}

echo "| Python | ROS 2 | NumPy | | tests |"
echo "|---|---|---|---|---|"
for python in "$@"; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit 1
    venv="$PWD/.matrix/py$version"
    [ -x "$venv/bin/python" ] || clean "$python" -m venv "$venv"
    install -r requirements/runtime.txt -r requirements/matrix.txt >"$venv.log" 2>&1 &&
        install --no-deps --editable . >>"$venv.log" 2>&1 || {
        echo "| $version | | | not installed: $(tail -n 1 "$venv.log") |"
        failed=1
        continue
    }
    for ros in jazzy kilted; do
        # NumPy 1.26 has no wheels for Python 3.13.
        [ "$version" = 3.13 ] || cell $ros numpy1
        cell $ros runtime
    done
done
exit $failed
