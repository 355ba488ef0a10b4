"""The delivery rule: transport, window, one event's step and its failures, timers, and the worker that holds them."""
