"""Everything that vcdb raises on purpose, as one tree.

    VcdbError
    ├── UsageError               the call itself makes no sense (exit code 2)
    ├── InputError               a file that was given cannot be used (exit code 3)
    │   ├── VideoOpenError       not a video, or no decoder for it
    │   ├── DecodeError          it is a video, but no frame of it could be decoded
    │   └── QueryError           a query picture that cannot be read
    └── StoreError               the base cannot be used (exit code 4)
        ├── BaseNotFoundError    there is no base in that folder
        ├── FormatVersionError   written by a newer (or too old) vcdb
        ├── CorruptStoreError    the bytes contradict each other
        ├── StoreFullError       the disk or the quota is full
        └── StoreLockedError     another process, or the file system, is in the way

Every message names the file or folder and says what to do next. An answer of "not found" is an
answer, not an error.
"""


class VcdbError(Exception):
    """Base of all errors that vcdb raises on purpose; ``str()`` of it is fit for a person."""


class UsageError(VcdbError):
    """The call itself makes no sense, whatever the files and the base hold."""


class InputError(VcdbError):
    """A file that was given as input cannot be used; others are not affected."""


class VideoOpenError(InputError):
    """The file is no video, holds no video stream, or no decoder for it is at hand."""


class DecodeError(InputError):
    """The file is a video, but not one frame of it could be decoded."""


class QueryError(InputError):
    """A query picture that cannot be read."""


class StoreError(VcdbError):
    """The base cannot be used."""


class BaseNotFoundError(StoreError):
    """The folder does not exist or holds no base."""


class FormatVersionError(StoreError):
    """The base was written in a format or with fingerprints that this version does not read."""


class CorruptStoreError(StoreError):
    """Bytes in the base contradict each other or the format."""


class StoreFullError(StoreError):
    """The disk, or the quota, is full; nothing of the failed write is in the base."""


class StoreLockedError(StoreError):
    """The base cannot be locked: another process holds it or the file system cannot lock."""
