"""The separate verifier: reads a history, knows nothing of the product but schemas/, and says which promise broke.

`python -m streams.chaos.verifier HISTORY` checks all; `... story HISTORY STUDY` tells one study's story. It imports
nothing else of this package, so that no fault of the product can hide itself here.
"""
