"""Single places of an open video: the key frame before one, the frame shown at one."""

from __future__ import annotations

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vcdb.media import container as low


class Seeker:
    """Looks up places of an open file by presentation stamp; whatever it is at is left."""

    def __init__(self, opened: low.Opened) -> None:
        self._opened = opened

    def key_packet_at(self, stamp: int) -> Packet[VideoStream] | None:
        """The last key frame at or before ``stamp``, coded; None where none can be reached."""
        opened = self._opened
        try:
            opened.container.seek(stamp, stream=opened.stream)
            for packet in opened.container.demux(opened.stream):
                if packet.is_keyframe or not packet.size:
                    return packet if packet.size else None
        except low.DecoderError:
            return None
        return None

    def decode_alone(self, packet: Packet[VideoStream]) -> VideoFrame | None:
        """The frame in one packet that needs no other."""
        opened = self._opened
        decoded = opened.decode(packet) or opened.decode(None)
        opened.stream.codec_context.flush_buffers()
        return decoded[0] if decoded else None

    def last_until(self, target: int, start: int) -> VideoFrame | None:
        """The last frame stamped ``target`` or earlier, reading from the key frame at ``start``.

        None where the file cannot be sought in, or reading began too late.
        """
        opened = self._opened
        best: VideoFrame | None = None
        try:
            opened.container.seek(start, stream=opened.stream)
        except low.DecoderError:
            return None
        for packet in low.packets(opened.container, opened.stream, opened.report):
            for decoded in opened.decode(packet):
                if decoded.pts is not None and decoded.pts > target:
                    return best
                best = decoded
        return best
