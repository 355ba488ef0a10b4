"""Wetread: a streaming, event-driven triage engine for imaging studies."""
