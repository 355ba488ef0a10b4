"""Where the pieces meet: settings, wiring, workers, the local stack."""
