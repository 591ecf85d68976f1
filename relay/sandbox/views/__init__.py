"""What the API shows, as JSON values for `relay.sandbox.wire.dump`.

One module for each thing that is shown: ``runs``, ``models``, ``batches``, ``callbacks``. They own the lists
of fields and their order, from the reference pages; they change nothing and decide nothing.
"""
