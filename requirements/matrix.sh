#!/bin/sh
# The tests of the core, the recordings and the node on every Python, ROS and NumPy with wheels, as
# rows of a table. Called by `make matrix`, which cleans the environment.
#   sh requirements/matrix.sh python3.10 python3.11 python3.12 python3.13
# One environment per Python, in .matrix, because torch is its largest part; one log per cell. The
# exit code is 1 if a cell fails.
set -u
cd "$(dirname "$0")/.."
tests="test/test_camera.py test/test_denoiser.py test/test_tiling.py test/pipeline/test_synchronizer.py
    test/test_precision.py test/test_package.py test/node/test_denoise_node.py
    test/node/test_start.py test/node/test_images.py test/recordings/bags/test_rosbag2_writer.py
    test/recordings/bags/test_messages.py"
failed=0
mkdir -p .matrix

row() { # Python, ROS, NumPy, verdict, log
    [ "$4" = passes ] || failed=1
    echo "| $1 | $2 | $3 | $4 | $(tail -n 1 "$5" 2>/dev/null) |"
}

install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

numpy() { # options of pip that install it
    case $1 in
    numpy1) echo "-r requirements/numpy1.txt" ;;
    numpy2) echo "-r requirements/runtime.txt -c requirements/constraints.txt" ;;
    esac
}

cell() { # ROS, NumPy
    log="$PWD/.matrix/$version-$1-$2.log"
    install -r "requirements/ros-$1.txt" $(numpy $2) >"$log" 2>&1 &&
        AMENT_PREFIX_PATH="$venv" ROS_LOG_DIR="$venv/ros_log" PATH="$venv/bin:$PATH" \
            "$venv/bin/python" -m pytest --quiet $tests >>"$log" 2>&1 &&
        verdict=passes || verdict=FAILS
    found=$("$venv/bin/python" -c 'import numpy; print(numpy.__version__)')
    row "$version" "$1" "$found" "$verdict" "$log"
}

environment() { # Python; makes $venv for its $version
    log="$PWD/.matrix/$(basename "$1").log"
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>"$log") || return 1
    venv="$PWD/.matrix/py$version"
    [ -x "$venv/bin/python" ] || "$1" -m venv "$venv" >"$log" 2>&1 || return 1
    install -r requirements/matrix.txt $(numpy numpy2) >"$log" 2>&1 &&
        install --no-deps --editable . >>"$log" 2>&1
}

echo "| Python | ROS 2 | NumPy | | tests |"
echo "|---|---|---|---|---|"
for python in "$@"; do
    if ! environment "$python"; then
        row "$python" - - "CANNOT BE INSTALLED" "$log"
        continue
    fi
    for ros in jazzy kilted; do
        if [ "$version" = 3.13 ]; then
            echo "| $version | $ros | 1.26 | no wheels | |"
        else
            cell $ros numpy1
        fi
        cell $ros numpy2
    done
done
exit $failed
