"""Explains why a topic cannot be made: rclpy's errors name neither the topic nor the parameter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class TopicError(RuntimeError):
    """A topic that cannot be published or subscribed to; the message says which and why."""


@contextmanager
def explained(topic: str) -> Iterator[None]:
    """Within the block, a publisher or subscription is made.

    Args:
        topic: its full name.

    Raises:
        TopicError: it could not be made.
    """
    try:
        yield
    except Exception as error:  # rclpy raises exceptions of many kinds
        raise TopicError(f"topic {topic}: {error}; check qos_overrides.{topic}") from error
