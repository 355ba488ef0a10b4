"""What each fault is called to a technologist: what is wrong, and what to do."""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    "air": "Air lies at {value:+.0f} HU from where it belongs: have the scanner's calibration checked.",
    "apex": "The highest slice still shows {value:.0f} cm2 of lung: the apices are not covered; "
    "what lies above is not judged.",
    "back-to-front": "The spine lies in front: patient position or image orientation is wrong in the header; "
    "correct it at the console and send again.",
    "body-part": "The images do not show the {part} (they look like {seen}): send the series that does.",
    "contrast": "Vessels look filled with contrast agent ({value:.1f} % of the inside of the skull), and the model "
    "reads unenhanced heads: send the series before contrast agent.",
    "contrast-trunk": "Vessels look filled with contrast agent ({value:.0f} % of the soft tissue), and the model reads "
    "unenhanced series: send the series before contrast agent.",
    "duplicates": "Slices repeat the pixels of the slice below ({value:.0f} of them): send the series again.",
    "fov": "The {organ} runs out of the field of view on {value:.0f} % of the slices: reconstruct with a larger field.",
    "gap": "Between the slices {value:.0f} % of the length is not shown: what is there cannot be found; "
    "reconstruct without gaps.",
    "header-part": "The header says {part}, the images look like {seen}: correct Body Part Examined (0018,0015).",
    "lossy": "The images were compressed with loss: fine detail may be gone; send the originals if they exist.",
    "lung-base": "The lowest slice still shows {value:.0f} cm2 of lung: the bases are not covered; "
    "what lies below is not judged.",
    "metal": "Metal, or undiluted contrast agent, lies on {value:.0f} % of the slices: what its streaks cover cannot "
    "be judged; reconstruct with metal artefact reduction if there is one.",
    "motion": "The head moved between slices, by up to {value:.0f} mm: repeat the scan if the question allows.",
    "noise": "The images are noisy ({value:.0f} HU at 5 mm): small findings drown; use a softer kernel or more dose.",
    "noise-head": "The images are noisy ({value:.0f} HU at 5 mm): small bleeds drown; use a soft-tissue kernel or "
    "thicker slices.",
    "overlap": "Neighbouring slices overlap by {value:.0f} % of their thickness: one reconstruction with larger "
    "increments is enough.",
    "scale": "The grey values are not Hounsfield units (off by {value:+.0f} HU): Rescale Intercept and Slope "
    "(0028,1052/1053) are missing or wrong; send the original series.",
    "skull-base": "The lowest slice still shows {value:.0f} cm2 of the inside of the skull: the foramen magnum is not "
    "covered; what lies below is not judged.",
    "text": "Text is burnt into the pixels (about {value:.0f} characters): send the images without annotations, and "
    "see whether they name the patient.",
    "tilted": "The slices are tilted by {value:.1f} degrees.",
    "tissue": "Soft tissue lies at {value:.0f} HU, which is unusual: check kernel and calibration.",
    "uneven": "The distances of the slices differ by up to {value:.0f} %: sizes across the change are less exact; "
    "send one evenly spaced series.",
    "upside-down": "The slices run from head to foot where the header says foot to head: patient position is wrong in "
    "the header; correct it at the console and send again.",
    "vertex": "The highest slice still shows {value:.0f} cm2 of the head: the vertex is not covered; "
    "what lies above is not judged.",
    "windowed": "The grey values are cut to a window ({value:.0f} % of the pixels lie at its lower end): densities "
    "outside it are lost; send the original series.",
    "wrapped": "Values that cannot be stand in {value:.1f} % of the pixels: Pixel Representation (0028,0103) or the "
    "rescale is wrong; send the original series.",
}
ORGANS = {"head": "the head", "chest": "lung"}
"""What the field's edge cuts off, by body part."""
