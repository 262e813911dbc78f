"""Evaluates launch files without starting any process."""

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from launch.actions import ExecuteProcess, IncludeLaunchDescription, RegisterEventHandler
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.utilities import perform_substitutions
from launch_ros.actions import ComposableNodeContainer, Node
from launch_ros.actions.load_composable_nodes import get_composable_node_load_request

from conftest import PROJECT
from launch import LaunchContext


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
