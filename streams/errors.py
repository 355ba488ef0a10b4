"""Every error of ours, as one tree; the class decides what happens to the event that met it.

WetreadError
├── TryAgain               a part is away or slow: wait, try again, later by the retry topic
│   ├── BrokerAway
│   ├── StateStoreAway
│   ├── ObjectStoreAway
│   └── ModelServerAway    no answer, late, or its model is not ready
├── SetAside               this event can never be handled: dead letter with its original bytes
│   ├── EventUnreadable    garbage, or not what its type says
│   ├── EventUnknown       a type or version that this build does not know
│   ├── EventTooLarge
│   ├── ObjectMissing      the event names bytes that the object store does not hold
│   └── ObjectDamaged      the stored bytes no longer have their digest
├── NotReadable            a study that cannot be read: a typed outcome, with a reason for people
│   ├── QualityRejected    geometry, gaps, truncation: the images will not do
│   └── ReadingBroken      a decoder or a model failed on it: NaN, wrong shape, crash
├── Refused                a door does not take this; the sender is told why
│   ├── NotDicom
│   ├── NoRoom             the disk or the spool is nearly full
│   └── DoorClosed
└── Stop                   this process cannot go on: it ends, and its supervisor starts it again
    ├── StateLost          Redis has forgotten what this worker knows it had
    ├── PolicyInvalid      a policy file or a model's contract with a wrong key or value
    ├── SettingInvalid
    ├── ModelRefused       a model that somebody brings cannot be taken, or answered; says what to change
    ├── TooManyDeadLetters a bad deploy must not empty a topic into the dead letters
    └── PartMissing        a part (jar, wheel, program) is not there; says which command mends it
"""

from __future__ import annotations


class WetreadError(Exception):
    """What every error of ours is; its text is a sentence for a person."""


class TryAgain(WetreadError):
    """A part is away or slow; the event itself is well."""


class BrokerAway(TryAgain):
    """Kafka did not acknowledge."""


class StateStoreAway(TryAgain):
    """Redis did not answer."""


class ObjectStoreAway(TryAgain):
    """The store of bytes did not answer."""


class ModelServerAway(TryAgain):
    """Triton did not answer in time, or the model is not ready."""


class SetAside(WetreadError):
    """This event can never be handled: its bytes go to the dead letters with this reason."""


class EventUnreadable(SetAside):
    """The bytes are not an event of the type that they claim."""


class EventUnknown(SetAside):
    """The type, or its version, is none that this build knows."""


class EventTooLarge(SetAside):
    """The event is larger than the record allows."""


class ObjectMissing(SetAside):
    """The object store does not hold the bytes that an event names."""


class ObjectDamaged(SetAside):
    """The stored bytes no longer have the digest that they are named by."""


class NotReadable(WetreadError):
    """The study ends in a typed outcome; the text is its reason."""


class QualityRejected(NotReadable):
    """The images will not do: gap, truncation, mixed orientations, too little of the body."""


class ReadingBroken(NotReadable):
    """A decoder or a model failed on this study."""


class Refused(WetreadError):
    """A door does not take this; the sender is told why."""


class NotDicom(Refused):
    """No DICOM, or without what names a study."""


class NoRoom(Refused):
    """The disk or the spool is nearly full."""


class DoorClosed(Refused):
    """The door is shutting down."""


class Stop(WetreadError):
    """This process cannot go on."""


class StateLost(Stop):
    """Redis has forgotten what this worker knows it had; a restart catches up from the record."""


class PolicyInvalid(Stop):
    """A policy file or contract is wrong; the text names file, key and line."""


class SettingInvalid(Stop):
    """A setting of the environment is wrong; the text names it and says what it takes."""


class ModelRefused(Stop):
    """A model that somebody brings cannot be taken; the text says why, and what to change."""


class TooManyDeadLetters(Stop):
    """Too many events in a row could not be read."""


class PartMissing(Stop):
    """A part that the local stack needs is not there; the text says which command mends it."""
