"""From the outside to events: doors store bytes, remember durably that an event is owed, then ship it."""
