"""4. Out: deliveries leave the store and reach their destinations.

A sender makes one try and says what happened. When to try again is decided in ``core``; what is
waiting is known to the store.
"""
