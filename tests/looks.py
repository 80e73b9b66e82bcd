"""Asking with looks at films' own frames and without."""

from __future__ import annotations

import numpy as np

from vcdb.database import Database
from vcdb.models import Answer


def asked(db: Database, picture: np.ndarray) -> tuple[Answer, Answer]:
    """The answers to a picture, uint8 BGR, without looks and with them."""
    return db.find(picture), db.find(picture, second_look=True)
