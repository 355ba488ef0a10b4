"""Whether a part answers, asked past its link."""

from __future__ import annotations

import socket
from contextlib import suppress

import redis
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from streams.chaos.links import HOST
from streams.chaos.site import Site, waited
from streams.chaos.torments.struck import PATIENCE_S
from streams.runtime.parts.triton import triton_answers


def answers(site: Site, part: str) -> bool:
    """Wait until it does; False: not within the patience."""
    asks = {"kafka": _kafka, "redis": _redis, "triton": lambda s: triton_answers(s.triton), "dicom": _door}
    return waited(lambda: asks[part](site), PATIENCE_S)


def _kafka(site: Site) -> bool:
    try:
        consumer = KafkaConsumer(bootstrap_servers=site.kafka, request_timeout_ms=4000)
    except (KafkaError, OSError):
        return False
    consumer.close()
    return True


def _redis(site: Site) -> bool:
    with suppress(redis.RedisError, OSError), redis.Redis.from_url(site.redis, socket_timeout=2) as client:
        return bool(client.ping())
    return False


def _door(site: Site) -> bool:
    try:
        socket.create_connection((HOST, site.ports["dicom"]), timeout=2).close()
    except OSError:
        return False
    return True
