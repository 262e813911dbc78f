"""Copies a rosbag2 with all its topics and adds denoised depth to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError, StoragePlugin, Writer
from rosbags.typesys import TypesysError

from rs_denoise.recordings.bags import messages, topic_names
from rs_denoise.recordings.bags.bag import Bag
from rs_denoise.recordings.bags.rosbag2_writer import CONFIDENCE, DENOISED, STORE, TopicWriter
from rs_denoise.recordings.bags.topics import TopicOverrides, find_topics
from rs_denoise.recordings.folders.frame_folder import read_frame
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.images import read_png


class CopyError(RecordingError):
    """The recording cannot be copied as it is; the message says why."""


def copy_with_denoised(
    source: Path, overrides: TopicOverrides, denoised: dict[int, Path], out: Path
) -> list[str]:
    """Writes a rosbag2; gives a sentence for each topic that could not be copied.

    A denoised image follows its depth image, with the same stamp and time of arrival.

    Args:
        source: a rosbag2.
        overrides: topics that were denoised instead of those that are found.
        denoised: stamp of a depth image in ns -> folder of its denoised depth.png, confidence.png
            and camera.json.
        out: folder of the copy.

    Raises:
        CopyError: `source` is not a complete rosbag2 of a ROS driver.
        RecordingError: `out` exists.
    """
    if out.exists():
        raise RecordingError(f"{out}: exists already; remove it first")
    topics = find_topics(Bag(source), overrides)
    if topics.metadata:
        raise CopyError("it is a recording of RealSense's SDK, not of a ROS driver")
    try:
        with (
            Reader(source) as reader,
            Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
        ):
            return _copy(reader, topics.depth, denoised, writer)
    except (ReaderError, FileNotFoundError) as error:
        raise CopyError(str(error)) from error


def _copy(reader: Reader, depth_topic: str, denoised: dict[int, Path], writer: Writer) -> list[str]:
    copies: dict[int, Connection] = {}
    failed: list[str] = []
    for connection in reader.connections:
        try:
            copies[connection.id] = _add_copy(writer, connection)
        except (TypesysError, KeyError):
            failed.append(
                f"{connection.topic} is not copied: the bag does not define {connection.msgtype}"
            )
    ours = TopicWriter(writer, _namespace(depth_topic))
    for connection, time_ns, raw in reader.messages(
        [c for c in reader.connections if c.id in copies]
    ):
        writer.write(copies[connection.id], time_ns, raw)
        if connection.topic == depth_topic:
            image: Any = STORE.deserialize_cdr(raw, connection.msgtype)
            stamp_ns = messages.read_stamp_ns(image.header) or time_ns
            if stamp_ns in denoised:
                _put_denoised(ours, denoised[stamp_ns], stamp_ns, time_ns)
    return failed


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


def _put_denoised(ours: TopicWriter, folder: Path, stamp_ns: int, time_ns: int) -> None:
    frame = read_frame(folder)
    ours.put_image(DENOISED, stamp_ns, frame.depth_mm, time_ns)
    ours.put_info("denoised", stamp_ns, frame.camera, time_ns=time_ns)
    ours.put_image(CONFIDENCE, stamp_ns, read_png(folder / "confidence.png"), time_ns)


def _namespace(depth_topic: str) -> str:
    """The namespace of the driver; for depth of another name, the namespace of its parent."""
    before, found, _ = depth_topic.partition(f"/{topic_names.DEPTH}")
    return before if found else depth_topic.rpartition("/")[0]
