"""The stages between server and archive, one a file; only ``pipeline.py`` knows their order."""
