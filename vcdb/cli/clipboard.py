"""The picture on the clipboard, where the system has one (on Linux by wl-paste or xclip)."""

from __future__ import annotations

import io
from pathlib import Path

from vcdb.errors import QueryError


def read_clipboard() -> bytes:
    """The clipboard's picture, or that of the one file copied there. Raises QueryError."""
    from PIL import Image, ImageGrab

    try:
        found = ImageGrab.grabclipboard()
    except (NotImplementedError, OSError, ChildProcessError) as error:
        raise QueryError(f"the clipboard cannot be read ({error})") from error
    if isinstance(found, Image.Image):
        data = io.BytesIO()
        found.save(data, "PNG")
        return data.getvalue()
    if isinstance(found, list) and len(found) == 1:
        try:
            return Path(found[0]).read_bytes()
        except OSError as error:
            raise QueryError(f"{found[0]}: cannot be read ({error.strerror})") from error
    raise QueryError("the clipboard holds no picture; copy one first")
