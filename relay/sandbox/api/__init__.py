"""The sandbox's HTTP face: which path answers what.

``routes`` describes a route, ``answers`` writes one, ``application`` joins them behind the token and the
weather; the rest is one module for each resource. ``openapi`` tells programs what there is.
"""
