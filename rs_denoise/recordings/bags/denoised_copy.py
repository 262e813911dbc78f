"""A copy of a rosbag2 with denoised depth beside the camera's, all other topics as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError, StoragePlugin, Writer
from rosbags.typesys import TypesysError

from rs_denoise.recordings.bags import messages, topics
from rs_denoise.recordings.bags.bag import Bag
from rs_denoise.recordings.bags.rosbag2_writer import CONFIDENCE, DENOISED, STORE, Topics
from rs_denoise.recordings.folders.frame_folder import read_frame, read_png
from rs_denoise.recordings.frame import RecordingError


class CopyError(RecordingError):
    """A recording whose other topics cannot be copied; the message says why."""


def copy_with_denoised(
    source: Path, wanted: topics.Topics, denoised: dict[int, Path], out: Path
) -> list[str]:
    """Writes a rosbag2; gives the topics that could not be copied, with the reason.

    A denoised image follows the depth image that it is of, with its stamp and time of arrival.

    Args:
        source: a rosbag2.
        wanted: those of its topics that were denoised.
        denoised: for the stamps of depth images, in ns, frame folders that hold denoised depth.png,
            confidence.png and camera.json.
        out: folder of the copy.

    Raises:
        CopyError: `source` is no whole rosbag2 of a ROS driver.
        RecordingError: `out` exists.
    """
    if out.exists():
        raise RecordingError(f"{out}: exists already; remove it first")
    chosen = topics.choose(Bag(source), wanted)
    if chosen.metadata:
        raise CopyError("it is a recording of RealSense's SDK, not of a ROS driver")
    try:
        with (
            Reader(source) as reader,
            Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
        ):
            return _copy(reader, chosen.depth, denoised, writer)
    except (ReaderError, FileNotFoundError) as error:
        raise CopyError(str(error)) from error


def _copy(reader: Reader, depth_topic: str, denoised: dict[int, Path], writer: Writer) -> list[str]:
    copies: dict[int, Connection] = {}
    failed: list[str] = []
    for connection in reader.connections:
        try:
            copies[connection.id] = _copied(writer, connection)
        except (TypesysError, KeyError):
            failed.append(
                f"{connection.topic} is not copied: the bag does not define {connection.msgtype}"
            )
    ours = Topics(writer, _namespace(depth_topic))
    for connection, time_ns, raw in reader.messages(
        [c for c in reader.connections if c.id in copies]
    ):
        writer.write(copies[connection.id], time_ns, raw)
        if connection.topic == depth_topic:
            image: Any = STORE.deserialize_cdr(raw, connection.msgtype)
            stamp_ns = messages.stamp_ns(image.header) or time_ns
            if stamp_ns in denoised:
                _put(ours, denoised[stamp_ns], stamp_ns, time_ns)
    return failed


def _copied(writer: Writer, connection: Connection) -> Connection:
    """Bags of Humble and older do not define their messages: then our own definitions serve."""
    defined = connection.msgdef.data and connection.digest
    of_ros2: Any = connection.ext
    return writer.add_connection(
        connection.topic,
        connection.msgtype,
        typestore=STORE,
        msgdef=connection.msgdef.data if defined else None,
        rihs01=connection.digest if defined else None,
        serialization_format=of_ros2.serialization_format,
        offered_qos_profiles=of_ros2.offered_qos_profiles,
    )


def _put(ours: Topics, folder: Path, stamp_ns: int, time_ns: int) -> None:
    frame = read_frame(folder)
    ours.put_image(DENOISED, stamp_ns, frame.depth_mm, time_ns)
    ours.put_info("denoised", stamp_ns, frame.camera, time_ns=time_ns)
    ours.put_image(CONFIDENCE, stamp_ns, read_png(folder / "confidence.png"), time_ns)


def _namespace(depth_topic: str) -> str:
    """What stands before the driver's names; depth of another name has its parent's."""
    before, found, _ = depth_topic.partition(f"/{topics.DEPTH}")
    return before if found else depth_topic.rpartition("/")[0]
