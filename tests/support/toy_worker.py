"""A worker process of the toy agent: python -m tests.support.toy_worker KAFKA REDIS GROUP [SLOT]."""

from __future__ import annotations

import logging
import sys

from streams.adapters.kafka_log import KafkaLog, TopicPlan
from streams.adapters.memory_reading import MemoryObjects
from streams.adapters.redis_state import RedisState, connect
from streams.runtime.processing import worker
from streams.runtime.processing.applying import Outside
from streams.runtime.processing.worker import FlowWiring, Site, run_flow_worker
from tests.support.toy import DEAD, SAID, TOPIC, addressed, toy_agent

TOPICS = tuple(TopicPlan(name=name, partitions=8) for name in (TOPIC, SAID, DEAD))


def main() -> None:
    """Run until SIGTERM."""
    bootstrap, redis_url, group, *slot = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(levelname)s %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    log, redis = KafkaLog(bootstrap), connect(redis_url)

    async def close() -> None:
        await log.close()
        await redis.aclose()

    outside = Outside(
        state=RedisState(redis),
        log=log,
        objects=MemoryObjects(),
        policy="toy",
        deadletters=DEAD,
        addressed=addressed,
    )
    site = Site(
        bootstrap=bootstrap,
        group=group,
        slot=slot[0] if slot else None,
        topics=TOPICS,
        ready=lambda: print("ready", flush=True),
        close=close,
    )
    worker.PROOF_WITHIN_S = 3.0  # nothing else comes in a test
    run_flow_worker(FlowWiring(site=site, outside=outside, agents=(toy_agent(),)))


if __name__ == "__main__":
    main()
