"""2. On disk: one store, one truth.

Stores keep callbacks, what is known of runs, events and deliveries, and answer only from finished
commits. What is decided is decided in ``core``; an ``if`` on an event's content in here is a defect.
"""
