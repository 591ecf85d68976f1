"""runflow-relay: every finished Runflow run, delivered exactly as it was.

The map, in the order in which an event passes through:

``cli``       what people type
``app``       joins everything; the real clock and dice
``settings``  every knob
``receive``   1. in: verify, answer from a finished commit
``record``    2. on disk: one store, one truth
``deliver``   4. out: Kafka, HTTP, files
``operate``   beside the path: what people ask a running relay to do
``observe``   logs, metrics, readiness
``supervise`` starts, watches and ends workers
``core``      all that is decided, and no I/O
``events``    what consumers import
``runflow``   a client of Runflow's API, importable by itself
``sandbox``   a local Runflow, sharing nothing with the rest
"""
