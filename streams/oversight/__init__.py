"""Beside the flow, never steering it: orders joined to studies, the ledger, stories, shadow runs, evaluation."""
