"""Zip files of any number of members, in flat memory: `zipfile` holds all of their names.

What is written is stored as it is, without times: the same members give the same bytes on every machine, whatever its
zlib. What is read may be packed by any program, and is distrusted: sizes are bounded by what is declared and by what
the file can hold, and a file in which two programs could see different members is refused.

Source: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO

from migrate_flow.errors import UsageError

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_DAY_ONE = 33  # 1980-01-01, the first day that a zip can name
_UNIX, _UTF8, _ENCRYPTED, _SIZES_FOLLOW = 3 << 8, 0x800, 0x1, 0x8
_FILE = 0o100644 << 16
_PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)  # kinds of files, as Unix has them; many programs name none
_FULL, _FULL16 = 0xFFFFFFFF, 0xFFFF
_STORED, _DEFLATED = 0, 8
_COMMENT = 65535
_CHUNK = 1 << 16
_SPOOL = 1 << 20
# A stored or honestly packed export stays far below; a bomb is a thousand times its file.
_MOST, _RATIO = 1 << 30, 20


class Damaged(ValueError):
    """A member whose bytes are not what the zip itself says of them. data: those that are there."""

    def __init__(self, reason: str, data: bytes = b"") -> None:
        super().__init__(reason)
        self.data = data


@dataclass(frozen=True, slots=True)
class Member:
    """offset: of its local header. place: of its record in the directory. packed, size: bytes in the zip, and of it."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    place: int


class ArchiveWriter:
    """Members in the order in which they are added. Nothing is sought, so that out may be a pipe."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._at = self._members = 0
        self._directory = SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115 - `close` closes it

    def add(self, name: str, data: bytes) -> None:
        self.stream(name, len(data), zlib.crc32(data), [data])

    def stream(self, name: str, size: int, crc: int, parts: Iterable[bytes]) -> None:
        """A member that is too large to be held. size, crc: of all parts together."""
        raw, large, far = name.encode("ascii"), size >= _FULL, self._at >= _FULL
        shown = _FULL if large else size
        extra = struct.pack("<2H2Q", 1, 16, size, size) if large else b""
        version = 45 if large or far else 20
        head = _LOCAL.pack(b"PK\3\4", version, 0, _STORED, 0, _DAY_ONE, crc, shown, shown, len(raw), len(extra))
        wide = ([size, size] if large else []) + ([self._at] if far else [])
        record = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        offset = _FULL if far else self._at
        self._directory.write(
            _CENTRAL.pack(
                b"PK\1\2", _UNIX | version, version, 0, _STORED, 0, _DAY_ONE, crc, shown, shown,
                len(raw), len(record), 0, 0, 0, _FILE, offset,
            ) + raw + record
        )  # fmt: skip
        self._members += 1
        self._write(head + raw + extra)
        for part in parts:
            self._write(part)

    def close(self) -> None:
        """Write the directory."""
        start, size = self._at, self._directory.tell()
        self._directory.seek(0)
        while part := self._directory.read(_CHUNK):
            self._write(part)
        self._directory.close()
        if self._members >= _FULL16 or start >= _FULL or size >= _FULL:
            at = self._at
            self._write(
                _END64.pack(b"PK\6\6", 44, _UNIX | 45, 45, 0, 0, self._members, self._members, size, start)
                + _LOCATOR.pack(b"PK\6\7", 0, at, 1)
            )
        count = min(self._members, _FULL16)
        self._write(_END.pack(b"PK\5\6", 0, 0, count, count, min(size, _FULL), min(start, _FULL), 0))

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._at += len(data)


class Archive:
    """A zip that somebody hands in. Raises UsageError for a file that is none, is cut short, or is not plain."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self._file, self._where = file, where
        self._length = file.seek(0, 2)
        self.members_said, self._size, self._start = self._end()
        self._end_of_directory = self._start + self._size

    def members(self) -> Iterator[Member]:
        """In the directory's order."""
        place, packed, size, count = self._start, 0, 0, 0
        while place < self._end_of_directory:
            member, after = self._record(place)
            packed += _LOCAL.size + len(member.name) + member.packed
            size += member.size
            count += 1
            if packed > self._start:
                raise self._refused("its members overlap")
            if size > _MOST + _RATIO * self._length:
                raise self._refused("it unpacks to far more than an export of its size holds")
            yield member
            place = after
        if place != self._end_of_directory or count != self.members_said:
            raise self._refused("its directory is damaged")

    def member(self, place: int) -> Member:
        return self._record(place)[0]

    def read(self, member: Member, most: int) -> bytes:
        """Raises Damaged; UsageError for one that says that it is larger than most, in bytes."""
        if member.size > most:
            raise self._refused(f"{member.name} is larger ({member.size} bytes) than any that an export holds")
        got: list[bytes] = []
        try:
            got.extend(self.chunks(member))
        except Damaged as error:
            raise Damaged(str(error), b"".join(got)) from None
        return b"".join(got)

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Never more than is declared. Raises Damaged once it is known, which may be at the end."""
        start = self._data(member)
        crc = length = 0
        for part in self._unpacked(member, start) if member.method else self._stored(member, start):
            length += len(part)
            if length > member.size:
                raise Damaged("it is longer than the zip's directory says")
            crc = zlib.crc32(part, crc)
            yield part
        if length != member.size:
            raise Damaged("it is shorter than the zip's directory says")
        if crc != member.crc:
            raise Damaged("its bytes do not fit the zip's own checksum")

    def _stored(self, member: Member, start: int) -> Iterator[bytes]:
        at, end = start, start + member.packed
        while at < end:
            self._file.seek(at)
            part = self._file.read(min(_CHUNK, end - at))
            if not part:
                return
            yield part
            at += len(part)

    def _unpacked(self, member: Member, start: int) -> Iterator[bytes]:
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._stored(member, start):
                rest = packed
                while rest and not unpack.eof:
                    yield unpack.decompress(rest, _CHUNK)
                    rest = unpack.unconsumed_tail
            while not unpack.eof and (part := unpack.decompress(b"", _CHUNK)):
                yield part
        except zlib.error:
            raise Damaged("it can't be unpacked") from None

    def _data(self, member: Member) -> int:
        head = self._at(member.offset, _LOCAL.size)
        if len(head) < _LOCAL.size or not head.startswith(b"PK\3\4"):
            raise Damaged("it is not where the zip's directory says")
        _mark, _needed, flags, _method, _time, _date, crc, packed, size, names, extras = _LOCAL.unpack(head)
        name = self._at(member.offset + _LOCAL.size, names)
        if name != member.name.encode():
            raise self._refused(f"{member.name} has another name in its own header than in the directory")
        said = zip((crc, packed, size), (member.crc, member.packed, member.size), strict=True)
        if not flags & _SIZES_FOLLOW and any(one not in (other, _FULL) for one, other in said):
            raise Damaged("its own header says something else of it than the zip's directory")
        return member.offset + _LOCAL.size + int(names) + int(extras)

    def _record(self, place: int) -> tuple[Member, int]:
        head = self._at(place, _CENTRAL.size)
        if len(head) < _CENTRAL.size or not head.startswith(b"PK\1\2"):
            raise self._refused("its directory is damaged")
        (_mark, _made, _needed, flags, method, _time, _date, crc, packed, size,
         names, extras, comment, _disk, _inner, outer, offset) = _CENTRAL.unpack(head)  # fmt: skip
        rest = self._at(place + _CENTRAL.size, names + extras)
        try:
            name = rest[:names].decode("utf-8" if flags & _UTF8 else "ascii")
        except UnicodeDecodeError:
            raise self._refused("it holds a file whose name is not plain") from None
        if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
            raise self._refused("it is encrypted, or packed in an unusual way")
        if stat.S_IFMT(outer >> 16) not in _PLAIN:
            raise self._refused(f"{name!r} is a link or a device: unpacked, it would be another file")
        size, packed, offset = _wide(rest[names:], size, packed, offset)
        if method == _STORED and packed != size:
            raise self._refused(f"{name!r} has two sizes")
        found = Member(name, method, crc, packed, size, offset, place)
        return found, place + _CENTRAL.size + names + extras + comment

    def _end(self) -> tuple[int, int, int]:
        """Number of members, size and start of the directory."""
        tail_at = max(0, self._length - _END.size - _COMMENT)
        tail = self._at(tail_at, self._length - tail_at)
        found = tail.rfind(b"PK\5\6")
        if found < 0 or len(tail) - found < _END.size:
            raise self._refused("it is no zip, or was cut short")
        _mark, disk, _other, _here, count, size, start, comment = _END.unpack_from(tail, found)
        at = tail_at + found
        if at + _END.size + comment != self._length or disk:
            raise self._refused("it is no zip, or was cut short")
        if count == _FULL16 or _FULL in (size, start):
            locator = self._at(max(0, at - _LOCATOR.size), _LOCATOR.size)
            if locator.startswith(b"PK\6\7"):
                at = _LOCATOR.unpack(locator)[2]
                wide = self._at(at, _END64.size)
                if len(wide) < _END64.size or not wide.startswith(b"PK\6\6"):
                    raise self._refused("its directory is damaged")
                count, size, start = _END64.unpack(wide)[7:]
        if start + size != at:
            raise self._refused("something stands before it or within it that is no part of a zip")
        return count, size, start

    def _at(self, place: int, length: int) -> bytes:
        if place >= self._length:
            return b""
        self._file.seek(place)
        return self._file.read(length)

    def _refused(self, problem: str) -> UsageError:
        return UsageError(
            f"the zip can't be read as an export: {problem}",
            hint="get the file again from whoever exported it, and compare its sha256sum with theirs",
            where=self._where,
        )


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """What did not fit into 32 bits stands in the field 1, in this order."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            values = [number for (number,) in struct.iter_unpack("<Q", extra[at + 4 : at + 4 + length // 8 * 8])]
            found = [values.pop(0) if values and narrow == _FULL else narrow for narrow in (size, packed, offset)]
            return found[0], found[1], found[2]
        at += 4 + length
    return size, packed, offset
