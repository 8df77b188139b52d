"""A request, step by step: `converge.py` has the order."""
