"""Forwards log records of the parts of the package without ROS to the ROS log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.impl.rcutils_logger import RcutilsLogger


@contextmanager
def log_to_ros(logger: RcutilsLogger) -> Iterator[None]:
    """Within the block, the package's log records go to `logger`, that of a node."""
    handler, package_log = _RosLogHandler(logger), logging.getLogger("rs_denoise")
    package_log.addHandler(handler)
    try:
        yield
    finally:
        package_log.removeHandler(handler)


class _RosLogHandler(logging.Handler):
    """Passes records on to the logger of a node."""

    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Logs a record. rclpy requires a separate line of code for each level."""
        if record.levelno >= logging.ERROR:
            self._logger.error(record.getMessage())
        elif record.levelno >= logging.WARNING:
            self._logger.warning(record.getMessage())
        else:
            self._logger.info(record.getMessage())
