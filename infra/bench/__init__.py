"""Measurements of whole runs against real servers; ``scripts/bench`` starts them."""
