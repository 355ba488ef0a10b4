"""No study's result carries another's: images, bytes, patient, order, cause, the very answer and who gave it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streams.chaos.verifier.history import Event, History, Sent
from streams.chaos.verifier.violations import Violation, broken

NAME = "mixing"
TOLERANCE = 1e-3
"""Of a logit; two codes are further apart."""
ACROSS = frozenset({"GrowthMeasured"})
"""Events that compare a patient's studies, and so name several."""


def check(history: History) -> Iterator[Violation]:
    """Each name that stands anywhere in an event belongs to the study that the event is about."""
    owners = _owners(history)
    for event in history.record.by_id.values():
        study = event.study
        sent = history.studies.get(study or "")
        if study is None or sent is None or event.type in ACROSS:
            continue
        others = sorted({name for name in _names(event.body) if owners.get(name, study) != study})
        if others:
            told = f"{event.type} names {others[0]}, which is of study {owners[others[0]]}"
            yield broken(NAME, study, told, [event])
        yield from _of_whom(sent, event)
        cause = history.record.by_id.get(event.cause or "")
        if cause is not None and cause.study not in (None, study):
            yield broken(NAME, study, f"{event.type} was said because of study {cause.study}", [cause, event])
        if cause is not None and (cause.type, event.type) == ("ReadingAnswered", "FindingMade"):
            yield from _same_version(study, cause, event)
    for sent in history.studies.values():
        yield from _answers(history, sent)


def _owners(history: History) -> Mapping[str, str]:
    """Names of studies, series, instances and objects to the study that they are of."""
    owners: dict[str, str] = {}
    for sent in history.studies.values():
        owners[sent.study] = sent.study
        owners |= dict.fromkeys(sent.series, sent.study)
        owners |= {i.instance: sent.study for i in sent.instances}
    of_object = {o.name: owners[o.instance] for o in history.objects.values() if o.instance in owners}
    return owners | of_object


def _names(node: Any) -> Iterator[str]:
    """Every string in it, keys of objects too."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _names(value)
    elif isinstance(node, list):
        for value in node:
            yield from _names(value)


def _of_whom(sent: Sent, event: Event) -> Iterator[Violation]:
    facts = event.body.get("facts", event.body)
    if facts.get("patient", sent.patient) != sent.patient:
        yield broken(NAME, sent.study, f"{event.type} names another patient than the study was sent of", [event])
    if facts.get("order") not in (None, sent.order):
        yield broken(NAME, sent.study, f"{event.type} names another order than the study was sent with", [event])


def _answers(history: History, sent: Sent) -> Iterator[Violation]:
    """The model says of a study what it says of its slices: of all of them in the end, of some before."""
    policy = history.policy
    answers = [e for e in history.record.about(sent.study, "ReadingAnswered") if e.body["model"] == policy.model]
    if not answers:
        return
    complete = history.complete(sent)
    newest = max(event.revision for event in history.record.about(sent.study, "StudyAssembled", "ReadingAnswered"))
    in_the_end = (max(sent.codes),) if sent.codes and sent.outcome == "analysed" else ()
    for event in answers:
        codes = in_the_end if event.revision == newest and complete else sent.codes
        version, logit = event.body["model_version"], float(event.body["study_logit"])
        if not any(abs(logit - policy.logit(code, version)) <= TOLERANCE for code in codes):
            right = " or ".join(f"{policy.logit(c, version):.3f}" for c in sorted(set(codes))) or "no answer at all"
            told = f"the model answered {logit:.3f} in revision {event.revision}, but its images say {right}"
            others = (v for v in policy.slopes for c in codes if abs(logit - policy.logit(c, v)) <= TOLERANCE)
            named = next((f": it names version {version}, and is the answer of {other}" for other in others), "")
            yield broken(NAME, sent.study, told + named, [event])
        if policy.digests and event.body["model_digest"] != policy.digests.get(version):
            told = f"an answer names version {version}, and a digest that is not that version's"
            yield broken(NAME, sent.study, told, [event])


def _same_version(study: str, answer: Event, finding: Event) -> Iterator[Violation]:
    """A finding is of the version that answered."""
    said, found = answer.body["model_version"], finding.body["model_version"]
    if said != found:
        yield broken(NAME, study, f"version {said} answered, but the finding names {found}", [answer, finding])
