"""vcdb: which film is this frame from, and where in it?"""

__version__ = "0.1.0"
