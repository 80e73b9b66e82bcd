"""Whether a folder lies on a file system that cannot lock and map files reliably."""

from __future__ import annotations

from pathlib import Path

_NETWORK_TYPES = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.glusterfs")
)
_MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """Type of the network file system that ``folder`` lies on, or None where there is none.

    Known on Linux only, from the kernel's list of mounts; elsewhere the answer is None.
    """
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    place = folder.resolve()
    best, found = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        mount_point = Path(before.split()[4].replace("\\040", " "))
        depth = len(mount_point.parts)
        # Of two mounts at the same point the later one covers the earlier.
        if depth >= best and place.is_relative_to(mount_point):
            best, found = depth, after.split()[0]
    return found if found in _NETWORK_TYPES else None
