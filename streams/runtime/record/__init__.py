"""The record read again: as entries, followed live, replayed."""
