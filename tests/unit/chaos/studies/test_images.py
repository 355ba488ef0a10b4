"""Heads whose answer is known: their bytes read as DICOM, and pass through the product's own reading."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom import dcmread

from streams.adapters.contract_files import read_models
from streams.adapters.policy_files import read_policies
from streams.chaos.studies import images, model
from streams.doors.header import read_header
from streams.doors.part10 import wrap
from streams.doors.pseudonym import Pseudonyms
from streams.reading.functions import ANSWERS, TENSORS
from streams.reading.geometry import arrange
from streams.reading.quality.judging import Told, judge
from streams.reading.volume import volume_of
from streams.runtime.settings import load

ROOT = "1.2.826.0.1.3680043.8.498."
WHO = images.Who(name="CANARY^ABCDEFGH", patient_id="PXAAAAAAAAAA", birth_date="19510203", accession="")


def filed(number: int, code: int, *, short: bool = False) -> bytes:
    names = images.Names(study=ROOT + "5" * 38, series=ROOT + "6" * 38, instance=ROOT + "7" * 36 + f"{number:02}")
    content = images.data_set(number, names, WHO, code)
    return wrap(
        images.cut_short(content) if short else content,
        sop_class=images.SOP_CLASS,
        sop_instance=names.instance,
        transfer_syntax=images.SYNTAX,
    )


@pytest.mark.parametrize("numbers", [(1, 2, 3, 4, 5, 6, 7, 8), (1, 3, 5, 8), (6, 7, 8)])
@pytest.mark.parametrize("code", [model.LOWEST_CODE, 1499, 1501, model.HIGHEST_CODE])
def test_any_three_slices_are_read_and_say_their_code(tmp_path, numbers, code):
    """Quality lets them pass, and the logit is that of the code within 1e-5, whichever slices have come."""
    contract = read_models(model.write_model(tmp_path).parent)[model.NAME].contract
    policies = read_policies(load({}).policies, read_models(tmp_path))
    files = {number: filed(number, code) for number in numbers}
    headers = {number: read_header(content, Pseudonyms(b"k")) for number, content in files.items()}
    series = headers[numbers[0]].series
    geometry = arrange(series, [h.instance for h in headers.values()], contract.needs)
    planes = [dcmread(io.BytesIO(files[i.number])).pixel_array.astype(np.int16) - 1024 for i in geometry.instances]
    volume = volume_of(geometry, np.stack(planes))
    judge(volume, Told(series, geometry.instances), contract.needs, policies.quality).demand()
    prepared = TENSORS[contract.tensors.function](volume, contract.tensors)
    bright = ((prepared.inputs["HU"] - model.MIDDLE) * model.SLOPE).astype(np.float32)
    said = ANSWERS[contract.answer.function](contract.answer, {"BRIGHT": bright}, prepared, volume)
    assert said.study_logit == pytest.approx(model.logit(code), abs=1e-5)


def test_a_slice_that_is_cut_short_says_so_in_its_header():
    """It is stored and told of, and never decoded: the door sees that its pixels are too few."""
    assert read_header(filed(1, 1200), Pseudonyms(b"k")).instance.fault is None
    assert read_header(filed(1, 1200, short=True), Pseudonyms(b"k")).instance.fault


def test_a_study_that_no_model_reads_says_nowhere_that_it_is_a_head():
    """Neither part, description nor protocol: else it is rightly read, and its outcome another than planned."""
    names = images.Names(study=ROOT + "5" * 38, series=ROOT + "6" * 38, instance=ROOT + "7" * 38)
    assert b"HEAD" in images.data_set(1, names, WHO, 1100)
    assert b"HEAD" not in images.data_set(1, names, WHO, 1100, part="ABDOMEN")
