"""The launch files, evaluated and run by the real launch. What they start of other packages is not
installed here: stand-ins lie where launch looks for them."""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from conftest import PROJECT

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("launch_ros", reason="launch and launch_ros are not on PyPI")

from launch.actions import ExecuteProcess, IncludeLaunchDescription, RegisterEventHandler
from launch.event_handlers import OnShutdown
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.utilities import perform_substitutions
from launch_ros.actions import ComposableNodeContainer, Node
from launch_ros.actions.load_composable_nodes import get_composable_node_load_request
from launch_ros.event_handlers import OnStateTransition

from launch import LaunchContext

LAUNCH_FILES = sorted(path.name for path in (PROJECT / "launch").glob("*.launch.py"))
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
TIMEOUT_S = 60.0
PROGRAMS = {
    "rs_denoise": ("denoise_node", f'exec {sys.executable} -m rs_denoise.node.main "$@"'),
    "realsense2_camera": ("realsense2_camera_node", "true"),
    "rclcpp_components": ("component_container", "true"),
    "nav2_lifecycle_manager": ("lifecycle_manager", "true"),
}
# Takes what the driver's own does and, as that one, minds every argument that it does not know.
DRIVER = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration as Value
from launch_ros.actions import Node

NAMES = ("camera_namespace", "camera_name", "serial_no", "enable_depth", "enable_infra1",
         "enable_infra2", "depth_module.depth_profile", "depth_module.infra_profile", "config_file")

def check(context):
    assert not set(context.launch_configurations) - set(NAMES)

def generate_launch_description():
    return LaunchDescription(
        [DeclareLaunchArgument(name, default_value="''") for name in NAMES]
        + [OpaqueFunction(function=check)]
        + [Node(package="realsense2_camera", executable="realsense2_camera_node",
                namespace=Value("camera_namespace"), name=Value("camera_name"),
                parameters=[{name: Value(name) for name in NAMES}])])
"""


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """An installation with this package, as it stands in the checkout, and the stand-ins."""
    for package, (program, body) in PROGRAMS.items():
        marker = tmp_path / "share" / "ament_index" / "resource_index" / "packages" / package
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        path = tmp_path / "lib" / package / program
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    share = tmp_path / "share" / "rs_denoise"
    share.mkdir()
    for folder in ("launch", "config"):
        (share / folder).symlink_to(PROJECT / folder)
    driver = tmp_path / "share" / "realsense2_camera" / "launch" / "rs_launch.py"
    driver.parent.mkdir(parents=True)
    driver.write_text(DRIVER)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}:{os.environ.get('AMENT_PREFIX_PATH', '')}")
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@dataclass
class Started:
    """A process that would be started.

    Attributes:
        name: full name of the node, or the program.
        command: its words.
        parameters: of the node, as its files and arguments set them one after the other.
        environment: of the process.
        components: of a container, what it is asked to load.
    """

    name: str
    command: list
    parameters: dict
    environment: dict
    components: list


class Evaluation:
    """Goes through a launch file as LaunchService does, but notes processes and starts none.

    Attributes:
        started: in order, by name.
        upon: event handlers that were registered.
    """

    def __init__(self, name: str, **arguments: str) -> None:
        self._context = LaunchContext()
        self.started: dict[str, Started] = {}
        self.upon: list = []
        environment = dict(os.environ)
        try:
            source = PythonLaunchDescriptionSource(str(PROJECT / "launch" / name))
            self.visit(IncludeLaunchDescription(source, launch_arguments=arguments.items()))
        finally:
            os.environ.clear()
            os.environ.update(environment)

    def visit(self, entity) -> None:
        if isinstance(entity, ExecuteProcess):
            started = self._note(entity)
            assert started.name not in self.started
            self.started[started.name] = started
            return
        if isinstance(entity, RegisterEventHandler):
            self.upon.append(entity.event_handler)
        for part in entity.visit(self._context) or []:
            self.visit(part)

    def handle(self, handler, event) -> None:
        """Goes through what a handler does upon an event."""
        for entity in handler.handle(event, self._context) or []:
            self.visit(entity)

    def _note(self, process: ExecuteProcess) -> Started:
        name = ""
        if isinstance(process, Node):
            process._perform_substitutions(self._context)
            name = process.node_name
            # Their places in the command line are filled when the process starts.
            specific = {"name": f"__node:={process.node_name.rpartition('/')[2]}",
                        "ns": f"__ns:={process.expanded_node_namespace}"}  # fmt: skip
            self._context.extend_locals({"ros_specific_arguments": specific})
        command = [perform_substitutions(self._context, word) for word in process.cmd]
        components = []
        if isinstance(process, ComposableNodeContainer):
            components = [
                get_composable_node_load_request(description, self._context)
                for description in process._ComposableNodeContainer__composable_node_descriptions
            ]
        return Started(
            name or " ".join(command[:3]), command, parameters_of(command),
            dict(self._context.environment), components,
        )  # fmt: skip


def parameters_of(command: list) -> dict:
    parameters: dict = {}
    for option, value in itertools.pairwise(command):
        if option == "-p":
            name, _, text = value.partition(":=")
            parameters[name] = yaml.safe_load(text)
        elif option == "--params-file":
            # Not safe_load: launch_ros writes lists as Python tuples.
            for section in yaml.full_load(Path(value).read_text()).values():
                parameters |= section["ros__parameters"]
    return parameters


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_arguments_are_shown_with_a_description(prefix, name):
    """As `ros2 launch ... --show-args` does."""
    source = PythonLaunchDescriptionSource(str(PROJECT / "launch" / name))
    arguments = source.get_launch_description(LaunchContext()).get_launch_arguments()
    assert all(a.description != "no description given" for a in arguments)
    names = {a.name for a in arguments}
    if name in ("nav2_depth.launch.py", "realsense_denoise.launch.py", "replay.launch.py"):
        assert {"camera_namespace", "camera_model", "params_file", "lifecycle_manager"} <= names
    if name == "realsense_denoise.launch.py":
        assert {"camera_name", "profile", "serial_no", "config_file"} <= names


def test_the_node_stands_alone_in_the_drivers_namespace(prefix):
    started = Evaluation("denoise.launch.py").started
    assert list(started) == ["/camera/camera/denoise_node"]
    node = started["/camera/camera/denoise_node"]
    default = yaml.safe_load((PROJECT / "config" / "denoise.yaml").read_text())
    assert node.parameters == default["/**"]["ros__parameters"]
    for name in PROFILES:
        assert Path(node.environment[name]).samefile(PROJECT / "config" / "fastdds.xml")


def test_arguments_go_before_the_parameter_file(prefix):
    started = Evaluation(
        "denoise.launch.py", camera_namespace="/front/d455", camera_model="d455",
        num_threads="3", params_file=str(PROJECT / "config" / "drone.yaml"),
    ).started  # fmt: skip
    parameters = started["/front/d455/denoise_node"].parameters
    assert parameters["baseline_m"] == 0.095 and parameters["num_threads"] == 3
    assert parameters["model_path"] == "unet-tiny" and "autostart" not in parameters


def test_a_fast_dds_profile_of_the_users_own_stays(prefix, monkeypatch):
    monkeypatch.setenv(PROFILES[0], "/mine.xml")
    started = Evaluation("denoise.launch.py").started
    assert started["/camera/camera/denoise_node"].environment[PROFILES[0]] == "/mine.xml"


def test_an_unknown_camera_model_is_refused_with_the_known_ones(prefix):
    with pytest.raises(RuntimeError, match="d435i"):
        Evaluation("denoise.launch.py", camera_model="d500")


def test_a_lifecycle_manager_activates_the_node_instead(prefix):
    started = Evaluation("denoise.launch.py", lifecycle_manager="true").started
    assert started["/camera/camera/denoise_node"].parameters["autostart"] is False
    # Node names are relative to the manager's namespace.
    manager = started["/camera/camera/lifecycle_manager_denoise"]
    assert manager.parameters == {
        "node_names": ("denoise_node",), "autostart": True, "bond_timeout": 0.0,
        "service_timeout": 60.0,
    }  # fmt: skip


def test_camera_and_node_start_together(prefix):
    started = Evaluation("realsense_denoise.launch.py", camera_model="d415").started
    assert list(started) == ["/camera/camera", "/camera/camera/denoise_node"]
    driver = started["/camera/camera"]
    assert driver.parameters["enable_depth"] is True and driver.parameters["enable_infra1"] is True
    assert driver.parameters["enable_infra2"] is True
    assert driver.parameters["depth_module.depth_profile"] == "848x480x30"
    assert driver.parameters["depth_module.infra_profile"] == "848x480x30"
    assert Path(driver.parameters["config_file"]).samefile(PROJECT / "config" / "realsense.yaml")
    assert driver.environment[PROFILES[0]].endswith("fastdds.xml")
    assert started["/camera/camera/denoise_node"].parameters["baseline_m"] == 0.055


def test_the_right_infrared_stream_can_be_left_out(prefix):
    started = Evaluation("realsense_denoise.launch.py", right_infrared="false").started
    assert started["/camera/camera"].parameters["enable_infra2"] is False
    assert started["/camera/camera/denoise_node"].parameters["right_infrared"] == "off"
    for one_process in ("false", "true"):
        started = Evaluation(
            "multi_camera.launch.py", cameras="a,b", start_cameras="true", serial_nos="_1,_2",
            right_infrared="false", one_process=one_process,
        ).started  # fmt: skip
        assert started["/camera/b"].parameters["enable_infra2"] is False
        (*_, node) = started.values()
        assert node.parameters["right_infrared"] == "off"


def test_nav2_gets_points_beside_the_denoised_image(prefix):
    started = Evaluation("nav2_depth.launch.py", camera_namespace="/camera/front").started
    assert "/camera/front/denoise_node" in started
    container = started["/camera/front/denoised/points_container"]
    # A cloud is larger than Fast DDS's own segment, too.
    assert container.environment[PROFILES[0]].endswith("fastdds.xml")
    (bridge,) = container.components
    assert bridge.package_name == "depth_image_proc"
    assert bridge.plugin_name == "depth_image_proc::PointCloudXyzNode"
    # camera_info and points are the bridge's own names, in its namespace.
    assert bridge.node_namespace == "/camera/front/denoised"
    assert list(bridge.remap_rules) == ["image_rect:=image_rect_raw"]


def test_each_camera_has_its_node_and_its_share_of_the_cores(prefix, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    started = Evaluation(
        "multi_camera.launch.py", cameras="front,rear", camera_models="d455,d435"
    ).started
    assert list(started) == ["/camera/front/denoise_node", "/camera/rear/denoise_node"]
    front, rear = (node.parameters for node in started.values())
    assert (front["baseline_m"], rear["baseline_m"]) == (0.095, 0.050)
    assert front["num_threads"] == rear["num_threads"] == 3


def test_several_cameras_start_by_serial_number_with_points(prefix):
    started = Evaluation(
        "multi_camera.launch.py", cameras="front,rear", start_cameras="true", points="true",
        serial_nos="_1,_2", num_threads="1", profile="640x480x30",
    ).started  # fmt: skip
    assert list(started) == [
        "/camera/front", "/camera/front/denoise_node", "/camera/front/denoised/points_container",
        "/camera/rear", "/camera/rear/denoise_node", "/camera/rear/denoised/points_container",
    ]  # fmt: skip
    for name, serial_no in (("front", "_1"), ("rear", "_2")):
        driver = started[f"/camera/{name}"].parameters
        assert (driver["camera_name"], driver["serial_no"]) == (name, serial_no)
        assert driver["depth_module.depth_profile"] == "640x480x30"
        assert started[f"/camera/{name}/denoise_node"].parameters["num_threads"] == 1


def test_one_process_serves_several_cameras(prefix):
    started = Evaluation(
        "multi_camera.launch.py", cameras="front,rear,left", camera_models="d455,auto,d435",
        one_process="true", points="true", num_threads="2",
    ).started  # fmt: skip
    bridges = [f"/camera/{name}/denoised/points_container" for name in ("front", "rear", "left")]
    *before, (_, process) = started.items()
    assert [name for name, _ in before] == bridges
    assert process.command[1:5] == ["--cameras", "/camera/front", "/camera/rear", "/camera/left"]
    assert process.environment[PROFILES[0]].endswith("config/fastdds.xml")
    assert "min_confidence" in process.parameters
    files = [v for k, v in itertools.pairwise(process.command) if k == "--params-file"]
    assert yaml.safe_load(Path(files[-1]).read_text()) == {
        f"/camera/{name}/denoise_node": {"ros__parameters": {"num_threads": 2} | baseline}
        for name, baseline in (
            ("front", {"baseline_m": 0.095}),
            ("rear", {}),
            ("left", {"baseline_m": 0.05}),
        )
    }


def test_the_parameter_file_of_one_process_is_gone_when_launch_ends(prefix):
    evaluation = Evaluation(
        "multi_camera.launch.py", cameras="front,rear", camera_models="d455", one_process="true"
    )
    (process,) = evaluation.started.values()
    *_, file = (v for k, v in itertools.pairwise(process.command) if k == "--params-file")
    assert Path(file).exists()
    (handler,) = (h for h in evaluation.upon if isinstance(h, OnShutdown))
    evaluation.handle(handler, Shutdown(reason="the test"))
    assert not Path(file).exists()


def test_one_process_whose_cameras_say_nothing_of_themselves_needs_no_file(prefix):
    started = Evaluation("multi_camera.launch.py", cameras="front,rear", one_process="true").started
    (process,) = started.values()
    assert process.command.count("--params-file") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"one_process": "true", "camera_models": "kinect"}, "got kinect"),
        ({"one_process": "true", "lifecycle_manager": "True"}, "leave lifecycle_manager out"),
        ({"one_process": "true", "autostart": "false"}, "leave autostart out"),
        ({"camera_models": "d455,d435,d435"}, "camera_models has 3 entries for 2 cameras"),
        ({"start_cameras": "true", "serial_nos": "_1"}, "serial_nos has 1 entries for 2 cameras"),
        ({"cameras": "front,front"}, "cameras contains a name twice: front,front"),
    ],
)
def test_lists_that_do_not_fit_the_cameras_are_refused(prefix, arguments, said):
    with pytest.raises(RuntimeError, match=said):
        Evaluation("multi_camera.launch.py", **{"cameras": "front,rear", **arguments})


@pytest.mark.parametrize(
    ("distribution", "clock"),
    [("humble", ["--clock", "200"]), ("jazzy", ["--clock-topics-all"])],
)
def test_a_replay_runs_on_the_recordings_clock(prefix, monkeypatch, distribution, clock):
    monkeypatch.setenv("ROS_DISTRO", distribution)
    evaluation = Evaluation("replay.launch.py", bag="run1/", rate="0.5", camera_namespace="/a/b")
    assert evaluation.started["/a/b/denoise_node"].parameters["use_sim_time"] is True
    for handler in evaluation.upon:
        if isinstance(handler, OnStateTransition):
            for entity in handler.entities:
                evaluation.visit(entity)
    play = " ".join(evaluation.started["ros2 bag play"].command)
    assert play.startswith("ros2 bag play run1/ --rate 0.5") and " ".join(clock) in play
    assert "/a/b/depth/image_rect_raw" in play and "denoised" not in play
    assert "/a/b/infra1/image_rect_raw" in play and "/a/b/infra2/image_rect_raw" in play
    record = evaluation.started["ros2 bag record"].command
    assert record[record.index("--output") + 1] == "run1_denoised" and "--use-sim-time" in record
    wanted = re.compile(record[record.index("--regex") + 1])
    for topic in ("/a/b/denoised/image_rect_raw", "/a/b/denoised/confidence", "/diagnostics"):
        assert wanted.search(topic)
    for topic in ("/a/b/depth/image_rect_raw", "/x/a/b/denoised/points", "/diagnostics_agg"):
        assert not wanted.search(topic)


RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
file, *arguments = sys.argv[1:]
service = LaunchService()
include = IncludeLaunchDescription(
    PythonLaunchDescriptionSource(file), launch_arguments=[a.split(":=") for a in arguments])
service.include_launch_description(LaunchDescription([include]))
sys.exit(service.run())
"""


class Run:
    """A launch file in a process of its own, as `ros2 launch` would run it."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.log = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(PROJECT / "launch" / name), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self.log += line

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.log:
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, f"no '{text}' in\n{self.log}"
            time.sleep(0.05)

    def interrupt(self) -> None:
        """Ctrl-C, which goes to launch and to what it started alike."""
        os.killpg(self._process.pid, signal.SIGINT)

    def exit_code(self) -> int:
        try:
            return self._process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running:\n{self.log}") from None
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._reader.join(TIMEOUT_S)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("denoise.launch.py", "camera_namespace:=/launched"), "model unet"),
        (
            ("multi_camera.launch.py", "cameras:=a,b", "camera_models:=d435", "one_process:=true"),
            "shared with another camera of this process",
        ),
    ],
)
def test_the_node_starts_and_ends_on_ctrl_c(prefix, arguments, said):
    run = Run(*arguments, "num_threads:=1")
    run.wait_for(said)
    run.interrupt()
    assert run.exit_code() == 0
    assert "process has finished cleanly" in run.log


@pytest.fixture
def bag_program(tmp_path, monkeypatch):
    """rosbag2 is not on PyPI: a program that plays for a second and records until Ctrl-C."""

    def install(record: str) -> None:
        program = tmp_path / "bin" / "ros2"
        program.parent.mkdir()
        program.write_text(
            '#!/bin/sh\necho "$2 begins"\n[ "$2" = play ] && exec sleep 1\n' + record + "\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return install


def test_a_replay_begins_when_the_node_is_active_and_ends_with_the_recording(prefix, bag_program):
    bag_program('sleep 60 & trap "echo record ends; kill $!; exit 0" INT; wait')
    run = Run("replay.launch.py", "bag:=run1", "camera_namespace:=/replayed", "num_threads:=1")
    assert run.exit_code() == 0, run.log
    order = ["model unet", "record begins", "ros2-3]: process has finished", "record ends"]
    places = [run.log.index(text) for text in order]
    assert places == sorted(places) and run.log.index("play begins") > places[0], run.log
    assert run.log.count("play begins") == 1 and "died" not in run.log


def test_a_replay_that_cannot_be_recorded_ends(prefix, bag_program):
    bag_program("exit 1")
    run = Run("replay.launch.py", "bag:=run1", "camera_namespace:=/replayed", "num_threads:=1")
    assert run.exit_code() == 0, run.log
    assert "ros2-2]: process has died" in run.log and "denoise_node-1]: process has" in run.log
