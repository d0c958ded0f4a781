"""Runs that are killed, cut off or refused at a chosen point, and what is left of the archive.

A *schedule* (``schedule.py``) follows from a seed: a mailbox, settings, and runs each of which is
disturbed somewhere. It is played twice (``play.py``), once undisturbed, and at the end both
archives are looked at from outside (``witness.py``) and held against each other and against the
invariant: no octet leaves the server before it is readable from the store. The server looks at the
very moment at which it removes a message (``onlooker.py``).

A run is a fork of a process that has everything imported (``player.py``, ``child.py``), so that
being killed is real and costs little. Calls to the file system are counted, broken off and
remembered by a preloaded library (``shim.c``), which knows what would survive the loss of power
(``power.py``).
"""
