"""Copies a rosbag2 with all its topics and adds denoised depth to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError

from rs_denoise.depth import to_uint16_mm
from rs_denoise.recordings.bags import messages, topic_names
from rs_denoise.recordings.bags.bag import Bag
from rs_denoise.recordings.bags.rosbag2_writer import CONFIDENCE, DENOISED, STORE, TopicWriter
from rs_denoise.recordings.bags.topics import find_topics
from rs_denoise.recordings.folders.frame_folder import read_frame
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.images import read_png
from rs_denoise.recordings.overrides import Overrides

# Below the camera's namespace. A recording of a robot that runs the node has these topics already.
OURS = "denoised"


class CopyError(RecordingError):
    """The recording cannot be copied as it is; the message says why."""


def copy_with_denoised(
    source: Path, overrides: Overrides, denoised: Mapping[int, list[Path]], out: Path
) -> list[str]:
    """Writes a rosbag2; returns a sentence for each topic that could not be copied.

    A denoised image follows its depth image, with the same stamp, frame_id and time of arrival.

    Args:
        source: a rosbag2.
        overrides: topics that were denoised instead of those that are found.
        denoised: stamp of depth images in ns -> folder of the denoised depth.png, confidence.png
            and camera.json of each of them, in their order.
        out: folder of the copy.

    Raises:
        CopyError: `source` is not a complete rosbag2 of a ROS driver, or its depth images are not
            those that were denoised.
        RecordingError: `out` exists.
    """
    if out.exists():
        raise RecordingError(f"{out}: exists already; remove it first")
    bag = Bag(source)
    topics = find_topics(bag, overrides)
    if topics.metadata:
        raise CopyError("it is a recording of RealSense's SDK, not of a ROS driver")
    if bag.has_ros1_messages:
        raise CopyError("its messages are those of ROS 1")
    with (
        closing(_open(source)) as reader,
        Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        return _copy(reader, topics.depth, denoised, writer)


def _open(source: Path) -> Reader:
    try:
        reader = Reader(source)
        reader.open()
    except Exception as error:  # a damaged file; the library raises exceptions of many kinds
        raise CopyError(f"it is damaged or not complete ({error})") from error
    return reader


def _copy(
    reader: Reader, depth_topic: str, denoised: Mapping[int, list[Path]], writer: Writer
) -> list[str]:
    copies: dict[tuple[str, str], Connection] = {}
    failed: list[str] = []
    namespace = _namespace(depth_topic)
    for connection in reader.connections:
        if _key(connection) in copies:
            continue
        if connection.topic.startswith(f"{namespace}/{OURS}/"):
            failed.append(f"{connection.topic} is not copied: the new denoised depth replaces it")
            continue
        try:
            copies[_key(connection)] = _add_copy(writer, connection)
        except (TypesysError, KeyError):
            failed.append(
                f"{connection.topic} is not copied: the bag does not define {connection.msgtype}"
            )
    ours = TopicWriter(writer, namespace)
    waiting = {stamp_ns: list(folders) for stamp_ns, folders in denoised.items()}
    for connection, time_ns, raw in _read_messages(reader):
        if _key(connection) in copies:
            writer.write(copies[_key(connection)], time_ns, raw)
        if connection.topic == depth_topic:
            header = _read_header(connection, raw)
            if header is None:
                continue
            stamp_ns = messages.read_stamp_ns(header) or time_ns
            if waiting.get(stamp_ns):
                folder = waiting[stamp_ns].pop(0)
                _put_denoised(ours, folder, stamp_ns, time_ns, header.frame_id)
    missing = sum(map(len, waiting.values()))
    if missing:
        raise CopyError(f"{missing} of its denoised depth images could not be found in it again")
    return failed


def _key(connection: Connection) -> tuple[str, str]:
    return connection.topic, connection.msgtype


def _read_messages(reader: Reader) -> Iterator[tuple[Connection, int, bytes]]:
    """Yields all messages.

    The connections are those of the files, not of metadata.yaml: if they differ, as in a reindexed
    bag (without QoS), `rosbags` skips their messages.
    """
    directory: Any = reader.storage
    storages = getattr(directory, "storages", [directory])
    connections = [connection for storage in storages for connection in storage.connections]
    try:
        yield from reader.messages(connections)
    except Exception as error:  # a damaged file; the library raises exceptions of many kinds
        raise CopyError(f"it cannot be read to its end ({error})") from error


def _read_header(connection: Connection, raw: bytes) -> Any:
    """The header of an image; None if the message is damaged."""
    try:
        image: Any = STORE.deserialize_cdr(raw, connection.msgtype)
    except (SerdeError, KeyError):
        return None
    return image.header


def _add_copy(writer: Writer, connection: Connection) -> Connection:
    """Adds a topic like this one, with our message definitions if the bag (Humble) has none."""
    defined = connection.msgdef.data and connection.digest
    ros2: Any = connection.ext
    return writer.add_connection(
        connection.topic,
        connection.msgtype,
        typestore=STORE,
        msgdef=connection.msgdef.data if defined else None,
        rihs01=connection.digest if defined else None,
        serialization_format=ros2.serialization_format,
        offered_qos_profiles=ros2.offered_qos_profiles,
    )


def _put_denoised(
    ours: TopicWriter, folder: Path, stamp_ns: int, time_ns: int, frame_id: str
) -> None:
    frame, confidence = read_frame(folder), read_png(folder / "confidence.png")
    ours.put_image(DENOISED, stamp_ns, to_uint16_mm(frame.depth_mm), time_ns, frame_id)
    ours.put_info(OURS, stamp_ns, frame.camera, time_ns=time_ns, frame_id=frame_id)
    ours.put_image(CONFIDENCE, stamp_ns, confidence, time_ns, frame_id)


def _namespace(depth_topic: str) -> str:
    """The namespace of the driver; for depth of another name, the namespace of its parent."""
    before, found, _ = depth_topic.partition(f"/{topic_names.DEPTH}")
    return before if found else depth_topic.rpartition("/")[0]
