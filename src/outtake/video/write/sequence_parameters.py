"""What a sequence parameter set of H.264 says about the order of frames (ITU-T H.264, 7.3.2.1)."""

from __future__ import annotations

# Profiles whose sets begin with chroma and depth.
_WITH_CHROMA = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
_EXPLICIT_ASPECT = 255


class BitReader:
    """Reads numbers from the bits of a unit.

    Args:
        data: The bytes, without the bytes that keep start codes from appearing in them.

    Attributes:
        place: The number of bits that were read.
    """

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self.place = 0

    def read(self, count: int) -> int:
        """Return the number that the next bits are.

        Raises:
            ValueError: There are not as many.
        """
        end = self.place + count
        if end > len(self._bits):
            raise ValueError("a parameter set is cut off")
        taken, self.place = self._bits[self.place : end], end
        return int(taken or "0", 2)

    def read_exp_golomb(self) -> int:
        """Return the next number in the code of 9.1; a signed one takes as many bits."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def skip_exp_golomb(self, count: int) -> None:
        """Pass over numbers in that code."""
        for _ in range(count):
            self.read_exp_golomb()


def open_sequence_set(unit: bytes) -> BitReader:
    """Return a reader of a sequence parameter set, behind its number."""
    reader = BitReader(unit[4:].replace(b"\0\0\3", b"\0\0"))
    reader.read_exp_golomb()
    return reader


def read_stated_reorder(unit: bytes) -> int | None:
    """Return by how many frames a packet may come after its turn; None if a set does not say so.

    Players that start at the first packet have to guess it then.

    Raises:
        ValueError: The set is cut off.
    """
    reader = open_sequence_set(unit)
    skip_to_usability(reader, unit[1])
    if not reader.read(1):
        return None
    _skip_usability(reader)
    if not reader.read(1):
        return None
    reader.read(1)
    reader.skip_exp_golomb(4)
    return reader.read_exp_golomb()


def skip_to_usability(reader: BitReader, profile: int) -> None:
    """Pass over everything before the information on usability (VUI), and whether it is there."""
    if profile in _WITH_CHROMA:
        chroma = reader.read_exp_golomb()
        reader.read(1 if chroma == 3 else 0)
        reader.skip_exp_golomb(2)
        reader.read(1)
        if reader.read(1):
            for index in range(12 if chroma == 3 else 8):
                if reader.read(1):
                    _skip_scaling_list(reader, 16 if index < 6 else 64)
    reader.read_exp_golomb()
    order = reader.read_exp_golomb()
    if order == 0:
        reader.read_exp_golomb()
    elif order == 1:
        reader.read(1)
        reader.skip_exp_golomb(2)
        reader.skip_exp_golomb(reader.read_exp_golomb())
    reader.read_exp_golomb()
    reader.read(1)
    reader.skip_exp_golomb(2)
    if not reader.read(1):  # fields
        reader.read(1)
    reader.read(1)
    if reader.read(1):
        reader.skip_exp_golomb(4)


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            code = reader.read_exp_golomb()
            following = (last + (code + 1) // 2 * (1 if code % 2 else -1)) % 256
        last = following or last


def _skip_usability(reader: BitReader) -> None:
    """Pass over the information on usability up to the limits of the bitstream (E.1.1)."""
    if reader.read(1) and reader.read(8) == _EXPLICIT_ASPECT:
        reader.read(32)
    if reader.read(1):
        reader.read(1)
    if reader.read(1):
        reader.read(4)
        reader.read(24 if reader.read(1) else 0)
    if reader.read(1):
        reader.skip_exp_golomb(2)
    if reader.read(1):
        reader.read(65)
    buffers = [_skip_buffer_model(reader), _skip_buffer_model(reader)]
    if any(buffers):
        reader.read(1)
    reader.read(1)


def _skip_buffer_model(reader: BitReader) -> bool:
    """Pass over one model of the decoder's buffer (E.1.2), and return whether it is there."""
    if not reader.read(1):
        return False
    count = reader.read_exp_golomb() + 1
    reader.read(8)
    for _ in range(count):
        reader.skip_exp_golomb(2)
        reader.read(1)
    reader.read(20)
    return True
