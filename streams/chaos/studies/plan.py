"""What is sent: studies of every kind, each decided by the run's seed and its own number alone."""

from __future__ import annotations

import hashlib
import random
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from streams.chaos.studies import images, model
from streams.chaos.studies.images import Names, Who
from streams.events.imaging import Priority

Shape = Literal[
    "plain", "late", "late-bleed", "duplicates", "conflict", "several-associations", "aborted", "bad-file", "no-model"
]
SHAPES: tuple[tuple[Shape, float], ...] = (
    ("plain", 50), ("late", 9), ("late-bleed", 8), ("duplicates", 7), ("conflict", 4),
    ("several-associations", 7), ("aborted", 7), ("bad-file", 3), ("no-model", 5),
)  # fmt: skip
"""With their weights."""
WHOLE: tuple[Shape, ...] = ("plain", "duplicates", "several-associations", "aborted")
"""Shapes of which people may say something: no image of them comes after their outcome."""
BLEEDS, ORDERED, SAID = 0.35, 0.3, 0.3
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
PRIORITIES: tuple[Priority, ...] = ("stat", "urgent", "routine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One image: which slice it shows, what the model makes of it (None: it is not read), and when it is sent."""

    instance: str
    series: str
    number: int
    code: int | None
    batch: int
    conflicts: bool = False
    spoilt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Some images over one association, so long after the step before was acknowledged; cut: it is aborted then."""

    after_s: float
    images: tuple[Instance, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How the study ends once all of it is acknowledged (README.md)."""

    outcome: str
    positive: bool | None
    alert: bool
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One study of the plan.

    Attributes:
        at_s: when it begins, in seconds from the run's beginning.
        priority: of its order, None: no order is placed; order_first: before its images.
        said: what people do with it after its outcome: read, opened or overridden.
    """

    number: int
    at_s: float
    study: str
    kinds: tuple[str, ...]
    who: Who
    part: str
    series: tuple[str, ...]
    steps: tuple[Step, ...]
    expected: Expected
    priority: Priority | None
    order_first: bool
    said: str | None
    instances: tuple[Instance, ...] = field(default=())

    def content(self, one: Instance) -> bytes:
        """The encoded data set of one image."""
        names = Names(study=self.study, series=one.series, instance=one.instance)
        code = one.code if one.code is not None else 1100
        made = images.data_set(one.number, names, self.who, code, part=self.part)
        return images.cut_short(made) if one.spoilt else made

    def line(self, patient: str, order: str | None) -> dict[str, Any]:
        """Its line of studies.jsonl."""
        who = asdict(self.who)
        born = who.pop("birth_date")
        rows = []
        for one in self.instances:
            content = self.content(one)
            sha = hashlib.sha256(content).hexdigest()
            rows.append(
                {
                    "instance": one.instance, "series": one.series, "dataset_sha256": sha, "bytes": len(content),
                    "code": one.code, "batch": one.batch, "conflicts": one.conflicts,
                }
            )  # fmt: skip
        return {
            "study": self.study,
            "number": self.number,
            "kinds": list(self.kinds),
            "patient": patient,
            "order": order,
            "canaries": [value for value in who.values() if value.strip()],
            "birth_date": born,
            "series": list(self.series),
            "instances": rows,
            "expected": asdict(self.expected),
        }


def study(seed: int, number: int, rate: float) -> Study:
    """Study `number` (from 1) of the run with this seed, at so many a second."""
    chance = random.Random(f"{seed}/{number}")
    shape = chance.choices([s for s, _ in SHAPES], [w for _, w in SHAPES])[0]
    bleeds = shape == "late-bleed" or (shape not in ("bad-file", "no-model") and chance.random() < BLEEDS)
    code = _code(chance, positive=bleeds)
    uids = _Uids(seed, number)
    steps = _steps(shape, code, uids, chance)
    sent = [one for step in steps for one in step.images]
    instances = tuple(dict.fromkeys(sent))
    who = _who(chance)
    ordered = bool(who.accession) and chance.random() < ORDERED
    said = chance.choice(("read", "opened", "overridden")) if shape in WHOLE and chance.random() < SAID else None
    kinds = [k for k in (None if shape == "plain" else shape, "bleed" if bleeds else None, said) if k]
    return Study(
        number=number,
        at_s=(number - 1) / rate + chance.uniform(0, 0.9 / rate),
        study=uids.of("study"),
        kinds=tuple([*kinds, "ordered"] if ordered else kinds),
        who=who,
        part="ABDOMEN" if shape == "no-model" else "HEAD",
        series=(uids.of("series"),),
        steps=steps,
        expected=_expected(shape, instances, bleeds=bleeds),
        priority=chance.choice(PRIORITIES) if ordered else None,
        order_first=chance.random() < 0.5,
        said=said,
        instances=instances,
    )


@dataclass(frozen=True, slots=True)
class _Uids:
    seed: int
    number: int

    def of(self, *parts: object) -> str:
        """64 characters in pydicom's root (PS3.5 B.2), always the same for the same words."""
        words = "/".join(map(str, (self.seed, self.number, *parts)))
        digits = str(int.from_bytes(hashlib.sha256(words.encode()).digest()))[:37]
        return f"1.2.826.0.1.3680043.8.498.1{digits}"


def _who(chance: random.Random) -> Who:
    def letters(count: int) -> str:
        return "".join(chance.choices(LETTERS, k=count))

    born = f"{chance.randrange(1930, 2005)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
    accession = f"AC{letters(10)}" if chance.random() < 0.8 else ""
    return Who(name=f"CANARY^{letters(8)}", patient_id=f"PX{letters(10)}", birth_date=born, accession=accession)


def _code(chance: random.Random, *, positive: bool) -> int:
    low, high = int(model.MIDDLE) - model.GAP, int(model.MIDDLE) + model.GAP
    return chance.randint(high, model.HIGHEST_CODE) if positive else chance.randint(model.LOWEST_CODE, low)


def _steps(shape: Shape, code: int, uids: _Uids, chance: random.Random) -> tuple[Step, ...]:
    first = code if shape != "late-bleed" else _code(chance, positive=False)
    late_from = images.SLICES - chance.randint(1, 3) if shape in ("late", "late-bleed") else images.SLICES
    spoilt = chance.randint(1, images.SLICES) if shape == "bad-file" else 0
    slices = [
        Instance(
            instance=uids.of("instance", number),
            series=uids.of("series"),
            number=number,
            code=None if shape == "no-model" or number == spoilt else (first if number <= late_from else code),
            batch=1 if number <= late_from else 2,
            spoilt=number == spoilt,
        )
        for number in range(1, images.SLICES + 1)
    ]
    chance.shuffle(slices)
    early = tuple(s for s in slices if s.batch == 1)
    late = tuple(s for s in slices if s.batch == 2)
    again = tuple(chance.sample(slices, 2))
    cut = chance.randint(2, images.SLICES - 2)
    match shape:
        case "late" | "late-bleed":
            return (Step(after_s=0, images=early), Step(after_s=chance.uniform(4, 12), images=late))
        case "duplicates":
            return (Step(after_s=0, images=early), Step(after_s=chance.uniform(0, 3), images=again))
        case "conflict":
            others = tuple(_other(one, chance) for one in again[:1])
            return (Step(after_s=0, images=early), Step(after_s=chance.uniform(0, 3), images=others))
        case "several-associations":
            return (Step(after_s=0, images=early[:cut]), Step(after_s=0.05, images=early[cut:]))
        case "aborted":
            return (Step(after_s=0, images=early[:cut], cut=True), Step(after_s=1.0, images=early[cut:]))
        case _:
            return (Step(after_s=0, images=early),)


def _other(one: Instance, chance: random.Random) -> Instance:
    """The same SOP Instance UID with other pixels: what the model would say of it is never to be heard."""
    code = _code(chance, positive=True)
    return Instance(
        instance=one.instance,
        series=one.series,
        number=one.number,
        code=code + 1 if code == one.code else code,
        batch=1,
        conflicts=True,
    )


def _expected(shape: Shape, instances: tuple[Instance, ...], *, bleeds: bool) -> Expected:
    if shape in ("bad-file", "no-model"):
        outcome = "rejected" if shape == "bad-file" else "ineligible"
        return Expected(outcome=outcome, positive=None, alert=False, codes=())
    read = [one for one in instances if not one.conflicts]
    batches = sorted({one.batch for one in read})
    codes = tuple(max(one.code or 0 for one in read if one.batch <= batch) for batch in batches)
    return Expected(outcome="analysed", positive=bleeds, alert=bleeds, codes=codes)
