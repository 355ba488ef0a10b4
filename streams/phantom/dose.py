"""X-Ray Radiation Dose SR of a phantom's scan: PS3.3 A.35.8, PS3.16 TID 10011 (CT Radiation Dose) in its short form."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import XRayRadiationDoseSRStorage

from streams.phantom.dicom import Series, Study, base, uid_of


def dose_report(study: Study, series: Series, dlp: float) -> Dataset:
    """A dose report that says one dose length product, mGy.cm."""
    ds = base(study, series, XRayRadiationDoseSRStorage, 1, "SR")
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = _code("113701", "DCM", "X-Ray Radiation Dose Report")
    ds.ContinuityOfContent = "SEPARATE"
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.PerformedProcedureCodeSequence = Sequence()
    ds.ReferencedPerformedProcedureStepSequence = Sequence()
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "10011"
    ds.ContentTemplateSequence = Sequence([template])
    total = _item("CONTAINER", "CONTAINS", ("113811", "DCM", "CT Accumulated Dose Data"))
    total.ContinuityOfContent = "SEPARATE"
    events = _measured(("113812", "DCM", "Total Number of Irradiation Events"), 1, "{events}")
    total.ContentSequence = Sequence(
        [events, _measured(("113813", "DCM", "CT Dose Length Product Total"), dlp, "mGy.cm")]
    )
    procedure = _item("CODE", "HAS CONCEPT MOD", ("121058", "DCM", "Procedure reported"))
    procedure.ConceptCodeSequence = _code("77477000", "SCT", "Computed Tomography X-Ray")
    scan = _item("UIDREF", "HAS OBS CONTEXT", ("113769", "DCM", "Irradiation Event UID"))
    scan.UID = uid_of(study.uid, "irradiation")
    ds.ContentSequence = Sequence([procedure, scan, total])
    return ds


def _code(value: str, scheme: str, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def _item(kind: str, relation: str, name: tuple[str, str, str]) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relation, kind
    item.ConceptNameCodeSequence = _code(*name)
    return item


def _measured(name: tuple[str, str, str], value: float, unit: str) -> Dataset:
    item = _item("NUM", "CONTAINS", name)
    number = Dataset()
    number.NumericValue = f"{value:g}"
    number.MeasurementUnitsCodeSequence = _code(unit, "UCUM", unit)
    item.MeasuredValueSequence = Sequence([number])
    return item
