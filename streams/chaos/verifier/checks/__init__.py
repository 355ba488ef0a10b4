"""The promises, one module each: `check(history)` yields what breaks it."""
