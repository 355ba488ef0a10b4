"""A model's answer becomes a finding: calibrated, held against its threshold."""
