"""Wetread: a streaming, event-driven triage engine for imaging studies."""

__version__ = "0.1.0"
