"""Where the pieces meet: settings, wiring, workers, the local stack.

In the order of the flow, a folder each; what stands lower in this list imports only from above its own line:

- `settings`: the one place that reads the environment. `parts/`: Kafka, Redis and Triton of the local stack.
- `record/`: `entries` of all topics, `following` them live, `replay`.
- `processing/`: the delivery rule. `transport` (Faust) hands events to a `window`, by `taking`; `delivering` says what
  may be committed and where to start; `applying` steps an agent that decides, by the rules of then where a state is
  built anew (`recalling`), `handling` a handler that does not; `failures` and `dead_letters`, `ticker` (timers),
  `telling` (measured sends), `worker` (all of it as an app), `local` (no broker at all), `volatile` (for chaos alone).
- `wiring`: settings to adapters.
- `inference/`: `answering` a request by the `reader`, after `preparing` its images, in its turn (`turns`), with the
  quality `reports`.
- `models/`: `judging` (policies and contracts that hold now), `archive` (those that ever held), `roles`, `at_hand`,
  `trials`.
- `sending`: files to our own doors. `processes/`: `workers` and `doors`. `stack/`: `stack`, `services`, `supervision`.
"""
