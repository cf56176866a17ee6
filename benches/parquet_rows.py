"""Rows of a small flat Parquet file, for machines without pyarrow: the standard library and the program `zstd`.

    from parquet_rows import rows
    for kind, path in rows("paths.parquet", ["kind", "path"]): …

Reads what pyarrow writes by default: 32- and 64-bit integers and texts in PLAIN or dictionary pages of the first data page format,
compressed by zstd or not at all. Anything else is an error. Format: https://parquet.apache.org/docs/file-format/
"""

import struct
import subprocess

PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY = 0, 2, 8
DICTIONARY_PAGE = 2
NUMBERS = {1: "i", 2: "q"}  # Physical types INT32 and INT64.
TEXT = 6


def rows(path, columns):
    """The values of the columns, row by row; None where a value is absent."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<I", data[-8:-4])[0]
    if data[-4:] != b"PAR1" or length + 12 > len(data):
        raise ValueError(f"{path} is not a Parquet file")
    footer = Compact(data, len(data) - 8 - length).struct()
    optional = {field[4].decode(): field.get(3) == 1 for field in footer[2][1:]}
    missing = [name for name in columns if name not in optional]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]}: it has {', '.join(optional)}")
    for group in footer[4]:
        chunks = {chunk[3][3][-1].decode(): chunk[3] for chunk in group[1]}
        yield from zip(*(values(data, chunks[name], optional[name]) for name in columns))


def values(data, chunk, optional):
    """All values of a column chunk."""
    at, left, dictionary, out = chunk.get(11, chunk[9]), chunk[5], [], []
    while left > 0:
        reader = Compact(data, at)
        header = reader.struct()
        at = reader.at + header[3]
        page = unpacked(data[reader.at:at], chunk[4])
        if header[1] == DICTIONARY_PAGE:
            dictionary = plain(page, chunk[1], header[7][1])
            continue
        count, encoding = header[5][1], header[5][2]
        present = [1] * count
        if optional:
            size = struct.unpack_from("<I", page)[0]
            present, page = hybrid(page[4:4 + size], 1, count), page[4 + size:]
        if encoding in (PLAIN_DICTIONARY, RLE_DICTIONARY):
            found = [dictionary[code] for code in hybrid(page[1:], page[0], sum(present))]
        elif encoding == PLAIN:
            found = plain(page, chunk[1], sum(present))
        else:
            raise ValueError(f"encoding {encoding} of a page is not supported")
        found = iter(found)
        out.extend(next(found) if here else None for here in present)
        left -= count
    return out


def unpacked(page, codec):
    if codec == 0:
        return page
    if codec == 6:
        return subprocess.run(["zstd", "-dcq"], input=page, check=True, capture_output=True).stdout
    raise ValueError(f"compression {codec} is not supported: write the file with zstd or without compression")


def plain(page, kind, count):
    if kind in NUMBERS:
        return struct.unpack_from(f"<{count}{NUMBERS[kind]}", page)
    if kind != TEXT:
        raise ValueError(f"physical type {kind} is not supported")
    out, at = [], 0
    for _ in range(count):
        size = struct.unpack_from("<I", page, at)[0]
        out.append(page[at + 4:at + 4 + size].decode())
        at += 4 + size
    return out


def hybrid(data, width, count):
    """Numbers in runs and bit-packed groups of eight."""
    reader, out, size = Compact(data, 0), [], (width + 7) // 8
    while len(out) < count:
        head = reader.varint()
        if head & 1:
            for _ in range(head >> 1):
                group = int.from_bytes(data[reader.at:reader.at + width], "little")
                out.extend(group >> (width * place) & (1 << width) - 1 for place in range(8))
                reader.at += width
        else:
            out.extend([int.from_bytes(data[reader.at:reader.at + size], "little")] * (head >> 1))
            reader.at += size
    return out[:count]


class Compact:
    """Thrift's compact protocol: a struct as {field id: value}."""

    def __init__(self, data, at):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        shift = out = 0
        while True:
            byte = self.byte()
            out |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return out

    def integer(self):
        number = self.varint()
        return number >> 1 ^ -(number & 1)

    def struct(self):
        out, field = {}, 0
        while head := self.byte():
            field = field + (head >> 4) if head >> 4 else self.integer()
            out[field] = self.value(head & 15)
        return out

    def value(self, kind):
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self.byte()
        if kind in (4, 5, 6):
            return self.integer()
        if kind == 8:
            size = self.varint()
            self.at += size
            return self.data[self.at - size:self.at]
        if kind == 9:
            head = self.byte()
            size = self.varint() if head >> 4 == 15 else head >> 4
            return [self.value(head & 15) for _ in range(size)]
        if kind == 12:
            return self.struct()
        raise ValueError(f"a Thrift value of type {kind} is not supported")
