"""The composition root: every object is made and joined here, one builder per stage.

The only place (with ``supervise``) that reads the clock, rolls dice and creates tasks' owners.
"""
