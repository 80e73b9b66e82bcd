"""What the first bytes of a file say: which kind of file, how large a picture.

Nothing is decoded, so this is safe on any bytes. Sources: the PNG, GIF, WebP, TIFF 6.0, ISO BMFF
(AVIF, HEIC, JPEG 2000), JPEG (ITU-T T.81), BMP and Netpbm descriptions.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_HEIC_BRANDS = (b"heic", b"heix", b"mif1", b"hevc")
_MOVIE_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"moof")
_VIDEO_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"OggS",
    b"FLV\x01",
    b"\x30\x26\xb2\x75",  # ASF, WMV
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG-1/2 video
    b"\x00\x00\x00\x01\x67",  # raw H.264
    b"\x00\x00\x00\x01\x40",  # raw H.265
)
_PNG_START = b"\x89PNG\r\n\x1a\n"
#: Of a chunk without its data: length, name and checksum.
_PNG_CHUNK_BYTES = 12


class Header(NamedTuple):
    """``kind`` is a name such as PNG; ``width_px``, ``height_px`` as coded; ``alpha``: may have."""

    kind: str
    width_px: int
    height_px: int
    alpha: bool = False


def read_header(data: bytes) -> Header | None:
    """Header of a still picture in one of the known formats, None where it is something else."""
    try:
        for reader in (_jpeg, _png, _webp, _gif, _bmp, _tiff, _avif, _jpeg2000, _netpbm):
            header = reader(data)
            if header is not None:
                return header
    except (struct.error, IndexError, ValueError):
        return None
    return None


def other_kind(data: bytes) -> str | None:
    """``video`` or ``HEIC`` where the bytes begin like that, else None."""
    if data[4:8] == b"ftyp":
        return "HEIC" if data[8:12] in _HEIC_BRANDS else "video"
    packets = len(data) > 376 and data[0] == data[188] == data[376] == ord("G")
    avi = data[:4] == b"RIFF" and data[8:12] == b"AVI "
    if packets or avi or data[4:8] in _MOVIE_BOXES or data.startswith(_VIDEO_STARTS):
        return "video"
    return None


def is_cut_off(data: bytes) -> bool:
    """Whether the bytes are of a PNG file that ends within one of its chunks."""
    if data[:8] != _PNG_START:
        return False
    at = 8
    while at < len(data) and data[at + 4 : at + 8] != b"IEND":
        at += _PNG_CHUNK_BYTES + int.from_bytes(data[at : at + 4])
    return at > len(data)


def _jpeg(data: bytes) -> Header | None:
    if data[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return Header("JPEG", width, height)
        elif marker in (0x01, *range(0xD0, 0xD9)):
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _png(data: bytes) -> Header | None:
    if data[:8] != _PNG_START:
        return None
    width, height = struct.unpack(">II", data[16:24])
    clear = data[25] in (4, 6) or b"tRNS" in data[33 : data.find(b"IDAT")]
    return Header("PNG", width, height, clear)


def _webp(data: bytes) -> Header | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        return Header("WebP", width, height, bool(data[20] & 0x10))
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Header("WebP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1))
    width, height = struct.unpack("<HH", data[26:30])
    return Header("WebP", width & 0x3FFF, height & 0x3FFF)


def _gif(data: bytes) -> Header | None:
    if data[:6] not in (b"GIF87a", b"GIF89a"):
        return None
    width, height = struct.unpack("<HH", data[6:10])
    return Header("GIF", width, height, True)


def _bmp(data: bytes) -> Header | None:
    if data[:2] != b"BM" or len(data) < 26:
        return None
    if struct.unpack("<I", data[14:18])[0] == 12:
        width, height = struct.unpack("<HH", data[18:22])
    else:
        width, height = struct.unpack("<ii", data[18:26])
    return Header("BMP", abs(width), abs(height))


def _tiff(data: bytes) -> Header | None:
    if data[:4] not in (b"II*\x00", b"MM\x00*"):
        return None
    order = "<" if data[:2] == b"II" else ">"
    at = struct.unpack(order + "I", data[4:8])[0]
    sides = {256: 0, 257: 0, 277: 0}
    for k in range(struct.unpack(order + "H", data[at : at + 2])[0]):
        entry = data[at + 2 + 12 * k : at + 14 + 12 * k]
        tag, kind = struct.unpack(order + "HH", entry[:4])
        if tag in sides:
            field = entry[8:10] if kind == 3 else entry[8:12]
            sides[tag] = struct.unpack(order + ("H" if kind == 3 else "I"), field)[0]
    if not sides[256] or not sides[257]:
        return None
    return Header("TIFF", sides[256], sides[257], sides[277] == 4)


def _avif(data: bytes) -> Header | None:
    if data[4:8] != b"ftyp" or data[8:12] not in (b"avif", b"avis", b"mif1"):
        return None
    if b"avif" not in data[8:64] and b"avis" not in data[8:64]:
        return None
    sides = []
    at = data.find(b"ispe", 0, 65536)
    while at >= 0:
        sides.append(struct.unpack(">II", data[at + 8 : at + 16]))
        at = data.find(b"ispe", at + 4, 65536)
    width, height = max(sides, key=lambda side: side[0] * side[1])
    return Header("AVIF", width, height, True)


def _jpeg2000(data: bytes) -> Header | None:
    if data[:12] != b"\x00\x00\x00\x0cjP  \r\n\x87\n":
        return None
    at = data.find(b"ihdr", 0, 4096)
    if at < 0:
        return None
    height, width = struct.unpack(">II", data[at + 4 : at + 12])
    return Header("JPEG 2000", width, height)


def _netpbm(data: bytes) -> Header | None:
    if len(data) < 7 or data[:1] != b"P" or data[1:2] not in b"123456":
        return None
    lines = data[2:512].split(b"\n")
    words = b" ".join(line.split(b"#")[0] for line in lines).split()
    return Header("Netpbm", int(words[0]), int(words[1]))
