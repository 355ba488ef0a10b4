"""The sender: real associations through the DIMSE door, again and again until each image is acknowledged."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pynetdicom import AE, _config

from streams.adapters.dicom_scu import associated
from streams.chaos.history import History, moment
from streams.chaos.studies.images import SOP_CLASS, SYNTAX
from streams.chaos.studies.plan import Instance, Study
from streams.doors.part10 import wrap

log = logging.getLogger(__name__)

SUCCESS = 0x0000
PAUSES_S = (0.3, 0.6, 1.2, 2.5, 4.0)
CONNECT_S, ANSWER_S = 5.0, 20.0


@dataclass(slots=True)
class _Job:
    """What is left of one step of a study."""

    study: Study
    step: int
    left: list[Instance]
    attempt: int = 1


@dataclass(slots=True)
class Sender:
    """Threads that send what is due; every attempt becomes a line of acks.jsonl.

    Attributes:
        door: host and port of the DIMSE door, or of a link to it.
        finished: told of each study of which everything is acknowledged; in a sender's thread.
    """

    door: tuple[str, int]
    history: History
    scratch: Path
    finished: Callable[[Study], None]
    threads: int = 4
    under_way: set[str] = field(default_factory=set)
    _due: list[tuple[float, int, _Job]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _ended: bool = False
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        _config.STORE_SEND_CHUNKED_DATASET = True
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what it meets stands in acks.jsonl
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self.threads)]
        for thread in self._threads:
            thread.start()

    def stop(self, patience_s: float = 30.0) -> None:
        """Send nothing more; what is under way ends."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(patience_s)

    def take(self, study: Study) -> None:
        """A study is to be sent, from now on."""
        with self._changed:
            self.under_way.add(study.study)
        self._push(_Job(study, 0, list(study.steps[0].images)), study.steps[0].after_s)

    def idle(self, patience_s: float) -> bool:
        """Wait until all is acknowledged; False: not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.under_way, patience_s)

    def _push(self, job: _Job, after_s: float) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + after_s, next(self._numbers), job))
            self._changed.notify()

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._ended:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None

    def _run(self) -> None:
        while job := self._next():
            try:
                self._send(job)
            except Exception:  # a sender that fell silent would look like a quiet run
                log.exception("sending study %d", job.study.number)
                self._push(job, PAUSES_S[-1])

    def _send(self, job: _Job) -> None:
        step = job.study.steps[job.step]
        taken = self._associate(job, cut=step.cut and job.attempt == 1)
        job.left = [one for one in job.left if one not in taken]
        if job.left:
            pause = PAUSES_S[min(job.attempt, len(PAUSES_S)) - 1]
            job.attempt += 1
            self._push(job, pause)
        elif job.step + 1 < len(job.study.steps):
            following = job.study.steps[job.step + 1]
            self._push(_Job(job.study, job.step + 1, list(following.images)), following.after_s)
        else:
            self.finished(job.study)
            with self._changed:
                self.under_way.discard(job.study.study)
                self._changed.notify_all()

    def _associate(self, job: _Job, *, cut: bool) -> set[Instance]:
        """One association; the images that were acknowledged in it."""
        number = next(self._numbers)
        entity = AE(ae_title="CHAOS")
        entity.connection_timeout = entity.acse_timeout = CONNECT_S
        entity.dimse_timeout = entity.network_timeout = ANSWER_S
        entity.add_requested_context(SOP_CLASS, SYNTAX)
        taken: set[Instance] = set()
        with associated(entity, *self.door, called_ae="WETREAD") as association:
            if not association.is_established:
                self._log(job, job.left[0], number, time.monotonic(), (None, "refused"))
                return taken
            try:
                for one in job.left:
                    began = time.monotonic()
                    status = self._store(association, job.study, one)
                    self._log(job, one, number, began, (status, "broken" if status is None else "answered"))
                    if status == SUCCESS:
                        taken.add(one)
                    if status is None:
                        break
            finally:
                (association.abort if cut else association.release)()
        return taken

    def _store(self, association: Any, study: Study, one: Instance) -> int | None:
        content = study.content(one)
        path = self.scratch / f"{threading.get_ident()}.dcm"
        path.write_bytes(wrap(content, sop_class=SOP_CLASS, sop_instance=one.instance, transfer_syntax=SYNTAX))
        try:
            answer = association.send_c_store(str(path))
        except (ValueError, RuntimeError, OSError, AttributeError):
            return None
        return int(answer.Status) if "Status" in answer else None

    def _log(self, job: _Job, one: Instance, number: int, began: float, answer: tuple[int | None, str]) -> None:
        self.history.line(
            "acks",
            {
                "at": moment(), "mono": time.monotonic(), "sent_mono": began, "study": job.study.study,
                "instance": one.instance, "dataset_sha256": hashlib.sha256(job.study.content(one)).hexdigest(),
                "attempt": job.attempt, "batch": one.batch, "association": number, "status": answer[0],
                "how": answer[1],
            },
        )  # fmt: skip
