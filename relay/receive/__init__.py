"""1. In: callbacks come through the public listener, are verified, and end at *recorded*."""
