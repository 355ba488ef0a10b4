"""What may pass of free text: words of a fixed list, so that no name can."""

from __future__ import annotations

import re

WORDS = frozenset(
    """
    HEAD BRAIN SKULL CRANIUM CEREBRUM CEREBRAL NEURO FACE FACIAL ORBIT ORBITS SINUS SINUSES TEMPORAL PETROUS
    MASTOID PITUITARY NECK CAROTID LARYNX THYROID SPINE CERVICAL THORACIC LUMBAR SACRUM SACRAL CHEST THORAX
    LUNG LUNGS PULMONARY HEART CARDIAC CORONARY AORTA AORTIC MEDIASTINUM ABDOMEN ABDOMINAL LIVER HEPATIC
    PANCREAS SPLEEN KIDNEY KIDNEYS RENAL BOWEL COLON PELVIS PELVIC PROSTATE UTERUS HIP HIPS FEMUR KNEE LEG
    TIBIA ANKLE FOOT SHOULDER HUMERUS ELBOW FOREARM WRIST HAND FINGER BREAST MAMMO MAMMOGRAM MAMMOGRAPHY
    TOMOSYNTHESIS EXTREMITY BODY TRAUMA STROKE POLYTRAUMA ANGIO ANGIOGRAPHY VENOGRAPHY PERFUSION
    SCHADEL SCHAEDEL KOPF HIRN GEHIRN HALS WIRBELSAULE WIRBELSAEULE BECKEN CEREBRO CRANE CABEZA TORAX
    AXIAL CORONAL SAGITTAL OBLIQUE TRANSVERSE TRA COR SAG AX PLANE HELICAL SPIRAL SEQUENTIAL SEQUENCE
    SUPINE PRONE LEFT RIGHT BILATERAL UPPER LOWER AP PA LAT LATERAL CC MLO
    CONTRAST UNENHANCED ENHANCED NONCONTRAST PLAIN NATIVE NATIV WITHOUT WITH WO W IV ORAL KM POST PRE
    ARTERIAL VENOUS PORTAL DELAYED PHASE EARLY LATE BOLUS TEST MONITORING
    BONE SOFT TISSUE STANDARD STD DETAIL EDGE SMOOTH KERNEL WINDOW RECON RECONSTRUCTION REFORMAT MPR MIP
    MINIP VRT THIN THICK SLICE SLICES HR HRCT LOWDOSE DOSE REPORT PROTOCOL SERIES STUDY IMAGE IMAGES
    SCOUT LOCALIZER LOCALISER TOPOGRAM SURVIEW SCANO SCANOGRAM SCREENING FOLLOWUP CONTROL ROUTINE URGENT
    EMERGENCY STAT ED ER ICU
    CSPINE TSPINE LSPINE SSPINE HEADNECK NECKCHEST CHESTABDOMEN CHESTABDPELVIS ABDOMENPELVIS WHOLEBODY IAC
    CT CTA CTP CTV CAT MR MRI MRA MRV US XR CR DX DR MG NM PET PT SPECT RF XA SC SR SEG
    T1 T2 T1W T2W FLAIR DWI ADC SWI GRE TSE SE EPI PD STIR TOF SPGR MPRAGE DTI BOLD FIESTA DIXON
    """.split()  # noqa: SIM905  # a list of 200 words reads better so
)
LONGEST = 200
_WITHOUT, _WITH = re.compile(r"(?i)\bw\s?/\s?o\b"), re.compile(r"(?i)\bw\s?/")
_TOKEN = re.compile(r"[A-Za-z]+[0-9]?[A-Za-z]?")
_NAMED_KERNELS = frozenset(
    "STANDARD SOFT LUNG BONE BONEPLUS DETAIL EDGE ULTRA CHEST BRAIN BODY SMOOTH SHARP UB UC LA LB".split()  # noqa: SIM905
)
_KERNEL = re.compile(r"(?:[A-Z]{1,2}[a-z]?[0-9]{1,3}[a-z]{0,2}|Y[A-E])(?:\^?[0-9])?")
_STRENGTH = re.compile(r"[0-9]")
_CODE = re.compile(r"[A-Z0-9 _]{1,16}")
_DEVICE = re.compile(r"[^A-Za-z0-9 .,/()+-]+")
_DEVICE_LONGEST = 64


def known_words(text: str) -> str:
    """The words of text that stand in the list, upper case, in their order, each once; "W/O" is WITHOUT."""
    spelled = _WITH.sub(" WITH ", _WITHOUT.sub(" WITHOUT ", text[: LONGEST * 8]))
    found = dict.fromkeys(word.upper() for word in _TOKEN.findall(spelled))
    return " ".join(word for word in found if word in WORDS)[:LONGEST]


def known_kernel(text: str) -> str:
    r"""Convolution Kernel (0018,1210), if it looks like one: "H30s", "Hr40f\3", "FC21", "STANDARD"."""
    names = [part.strip() for part in text.split("\\")]
    kept = [n for n in names if n.upper() in _NAMED_KERNELS or _KERNEL.fullmatch(n) or _STRENGTH.fullmatch(n)]
    return "\\".join(kept)


def code_string(text: str) -> str:
    """A Code String (PS3.5 6.2, CS), upper case; empty if it is none."""
    value = text.strip().upper()
    return value if _CODE.fullmatch(value) else ""


def body_part(text: str) -> str:
    """Body Part Examined (0018,0015): typed by hand at some consoles, so only known words pass."""
    return known_words(text.replace("_", " "))


def device_name(text: str) -> str:
    """Manufacturer or its model name: plain letters and digits, no control characters, at most 64."""
    return _DEVICE.sub(" ", text).strip()[:_DEVICE_LONGEST]
