"""The parameter file of the official AlphaFold 3: a stream of named records, usually compressed with Zstandard.

A record is five little-endian int32 (lengths of scope, name and dtype in bytes, number of axes, bytes of data), the
three strings, one int32 per axis, and the array in C order. Records follow each other without header, index or padding
until the stream ends. The record `__meta__/__identifier__` names the model and is not a parameter.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import BinaryIO

import torch
import zstandard
from torch import Tensor

from alphafold3_pytorch.weights.atomic import replacing

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
IDENTIFIER = "__meta__/__identifier__"
HEX = "hex:"  # begins an identifier that is not text
DTYPES = {
    name: getattr(torch, name)
    for name in ("float32", "bfloat16", "float16", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
}
HEADER = struct.Struct("<5i")
LONGEST_TEXT, MOST_AXES = 4096, 32
CHUNK = 1 << 15  # small, because Zstandard can unpack to thousands of times the size

# The forms of the file name, the first that any file has decides. The group "part" is missing where the file is whole.
FILE_NAMES = (
    r"(?P<model>.+)\.(?P<part>\d+)\.bin\.zst",
    r"(?P<model>.+)\.bin\.zst\.(?P<part>\d+)",
    r"(?P<model>.+)\.(?P<part>\d+)\.bin",
    r"(?P<model>.+)\.bin\.zst",
    r"(?P<model>.+)\.bin",
)


def select_file(folder: Path) -> Path | None:
    """The file of the one model in a folder, or the first of its parts."""
    for pattern in FILE_NAMES:
        models = files_by_model(folder, pattern)
        if len(models) > 1:
            raise ValueError(f"{folder} holds several models ({', '.join(models)}); give the file of the one you mean")
        if models:
            return next(iter(models.values()))[0]
    return None


def with_siblings(path: Path) -> list[Path]:
    """All parts of the model that `path` is a part of, in the order in which they belong together, or `path` alone."""
    for pattern in FILE_NAMES:
        if match := re.fullmatch(pattern, path.name):
            parts = files_by_model(path.parent, pattern).get(match["model"], [path])
            check_parts_complete(parts, pattern)
            return parts
    return [path]


def files_by_model(folder: Path, pattern: str) -> dict[str, list[Path]]:
    """The files whose names have this form, sorted by name as the official loader sorts them."""
    models: dict[str, list[Path]] = {}
    for path in sorted(entry for entry in folder.iterdir() if entry.is_file()):
        if match := re.fullmatch(pattern, path.name):
            models.setdefault(match["model"], []).append(path)
    return models


def check_parts_complete(parts: list[Path], pattern: str) -> None:
    """Numbers that leave a gap, or do not start at 0 or 1, mean that a part was not downloaded."""
    if len(parts) == 1:  # whole, or a number that means something else, such as a date
        return
    numbers = {int(match["part"]) for part in parts if (match := re.fullmatch(pattern, part.name))}
    missing = next((number for number in range(min(1, *numbers), max(numbers)) if number not in numbers), None)
    if missing is not None:
        raise ValueError(f"{parts[0]}: of this split file, part {missing} is missing; put all parts into one folder")


def looks_like_records(start: bytes) -> bool:
    """Whether a file that begins so may be in this format, packed or not."""
    if start.startswith(ZSTD_MAGIC) or len(start) < HEADER.size:
        return start.startswith(ZSTD_MAGIC)
    scope, name, dtype, axes, size = HEADER.unpack_from(start)
    return (
        0 <= scope <= LONGEST_TEXT
        and 0 < name <= LONGEST_TEXT
        and 0 < dtype <= 16
        and 0 <= axes <= MOST_AXES
        and size >= 0
    )


def raw_chunks(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def unpacked_chunks(paths: list[Path]) -> Iterator[bytes]:
    """The decompressed stream. One that breaks off is an error even where a record happens to end."""
    frame = None
    for chunk in raw_chunks(paths):
        while chunk:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            try:
                yield frame.decompress(chunk)
            except zstandard.ZstdError as error:
                raise ValueError(f"the compressed stream is damaged ({error})") from error
            chunk, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
    if frame is not None:
        raise ValueError("the compressed stream ends early")


class Stream:
    """Reads exact byte counts from chunks and knows where it stands."""

    def __init__(self, chunks: Iterator[bytes]):
        self.chunks = chunks
        self.rest = memoryview(b"")
        self.offset = 0

    def fill(self, target: bytearray) -> int:
        """Fill `target` as far as the stream reaches; the number of bytes written."""
        done = 0
        while done < len(target):
            if not self.rest:
                chunk = next(self.chunks, None)
                if chunk is None:
                    break
                self.rest = memoryview(chunk)
                continue
            piece = self.rest[: len(target) - done]
            target[done : done + len(piece)] = piece
            self.rest = self.rest[len(piece) :]
            done += len(piece)
        self.offset += done
        return done

    def take(self, size: int, what: str) -> bytearray:
        data = bytearray(size)
        if (done := self.fill(data)) < size:
            raise ValueError(f"it ends within {what}, after {done} of {size} bytes")
        return data


def read_record(stream: Stream) -> tuple[str, Tensor] | None:
    """The next `scope/name` and its array, or None at the end of the stream."""
    header = bytearray(HEADER.size)
    got = stream.fill(header)
    if got == 0:
        return None
    if got < HEADER.size:
        raise ValueError(f"it ends within a header, after {got} of {HEADER.size} bytes")
    *lengths, axes, size = HEADER.unpack(header)
    if not (all(0 <= length <= LONGEST_TEXT for length in lengths) and 0 <= axes <= MOST_AXES and size >= 0):
        raise ValueError(f"no record has the header {(*lengths, axes, size)}")
    try:
        scope, name, dtype_name = (stream.take(length, "the names").decode() for length in lengths)
    except UnicodeDecodeError as error:
        raise ValueError("its names are not text") from error
    key = f"{scope}/{name}"
    shape = struct.unpack(f"<{axes}i", stream.take(4 * axes, f"the shape of {key}"))
    dtype = DTYPES.get(dtype_name)
    if dtype is None:
        raise ValueError(f"{key} has the unknown type {dtype_name!r}; known are {', '.join(DTYPES)}")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{key}: {dtype_name} of shape {shape} does not fill {size} bytes")
    data = stream.take(size, f"the data of {key}")
    return key, torch.frombuffer(data, dtype=dtype).reshape(shape) if size else torch.empty(shape, dtype=dtype)


def read_records(paths: list[Path]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Parameters by `scope/name`, and the identifier, from one file or from the parts of one."""
    with paths[0].open("rb") as file:
        compressed = file.read(len(ZSTD_MAGIC)) == ZSTD_MAGIC
    stream = Stream(unpacked_chunks(paths) if compressed else raw_chunks(paths))
    tensors: dict[str, Tensor] = {}
    for number in count(1):
        start = stream.offset
        try:
            record = read_record(stream)
            if record is None:
                break
            if record[0] in tensors:
                raise ValueError(f"{record[0]} was already given by an earlier record")
        except ValueError as error:
            files = str(paths[0]) + (f" and {len(paths) - 1} more parts" if paths[1:] else "")
            place = f"record {number}, from byte {start} of the unpacked stream"
            raise ValueError(
                f"{files}: {place}: {error}; if this is an AlphaFold 3 model, download it again"
            ) from error
        tensors[record[0]] = record[1]
    identifier = tensors.pop(IDENTIFIER, None)
    if not tensors:
        raise ValueError(f"{paths[0]} holds no parameters; download it again")
    return tensors, {} if identifier is None else {"identifier": text_of(identifier)}


def text_of(identifier: Tensor) -> str:
    raw = bytes(identifier.flatten().tolist())
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return HEX + raw.hex()


def bytes_of(identifier: str) -> bytes:
    return bytes.fromhex(identifier.removeprefix(HEX)) if identifier.startswith(HEX) else identifier.encode()


def write_records(path: Path, tensors: Mapping[str, Tensor], identifier: str = "") -> None:
    """Write `scope/name` -> array in the official layout, compressed if the name ends in .zst."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        if path.suffix != ".zst":
            write_stream(file, tensors, identifier)
            return
        with zstandard.ZstdCompressor(write_checksum=True).stream_writer(file, closefd=False) as packed:
            write_stream(packed, tensors, identifier)


def write_stream(
    file: BinaryIO | zstandard.ZstdCompressionWriter, tensors: Mapping[str, Tensor], identifier: str
) -> None:
    if identifier:
        write_record(file, IDENTIFIER, torch.tensor(list(bytes_of(identifier)), dtype=torch.uint8))
    for key, tensor in tensors.items():
        write_record(file, key, tensor)


def write_record(file: BinaryIO | zstandard.ZstdCompressionWriter, key: str, tensor: Tensor) -> None:
    scope, slash, name = key.rpartition("/")
    dtype = str(tensor.dtype).removeprefix("torch.")
    if not slash or dtype not in DTYPES or tensor.nbytes >= 2**31:
        raise ValueError(
            f"{key}: a record is named scope/name, has less than 2 GiB and one of the types {', '.join(DTYPES)}"
        )
    texts = [scope.encode(), name.encode(), dtype.encode()]
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    file.write(HEADER.pack(*map(len, texts), tensor.ndim, data.nbytes))
    file.write(b"".join(texts) + struct.pack(f"<{tensor.ndim}i", *tensor.shape))
    file.write(data.data)
