"""Mutations: the relay with one thing wrong, each a mistake that somebody could make.

Owns changing the product's own code at run time, inside a test and nowhere else. What a mutation breaks
is named by the promise; that it is noticed is the test's to show.
"""

from tests.simulator.mutations import (
    again,
    asking,
    conduct,
    holding,
    path,
    surroundings,
)

__all__ = ["MUTATIONS"]

MUTATIONS = {
    **path.MUTATIONS,
    **surroundings.MUTATIONS,
    **asking.MUTATIONS,
    **holding.MUTATIONS,
    **again.MUTATIONS,
    **conduct.MUTATIONS,
}
