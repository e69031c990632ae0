#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the first inputs of the fuzz targets, corpus/: small valid files, which libFuzzer changes.

    python3 make_corpus.py
"""

import json
import pathlib
import shutil
import struct

HERE = pathlib.Path(__file__).parent
CORPUS = HERE / "corpus"


def write(reader: str, name: str, content: bytes) -> None:
    (CORPUS / reader).mkdir(parents=True, exist_ok=True)
    (CORPUS / reader / name).write_bytes(content)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(entries: list[bytes], tensors: list[tuple[str, list[int], int, int]], data: bytes) -> bytes:
    """Tensors: name, extents with the innermost first, type, offset."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries)
    for name, extents, kind, offset in tensors:
        out += text(name) + struct.pack(f"<I{len(extents)}QIQ", len(extents), *extents, kind, offset)
    return out + bytes(-len(out) % 32) + data


def write_gguf() -> None:
    entries = [text(f"t.{kind}") + struct.pack("<I", kind) + bytes(size)
               for kind, size in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4), (7, 1), (10, 8), (11, 8),
                                  (12, 8)]]
    entries += [text("s") + struct.pack("<I", 8) + text("text"),
                text("a") + struct.pack("<IIQ", 9, 8, 2) + text("x") + text("y"),
                text("n") + struct.pack("<IIQIQ", 9, 9, 1, 4, 2) + bytes(8),
                text("general.alignment") + struct.pack("<II", 4, 32)]
    write("gguf", "metadata", gguf(entries, [], b""))
    sizes = {0: (1, 4), 1: (1, 2), 30: (1, 2), 28: (1, 8), 8: (32, 34), 2: (32, 18), 3: (32, 20), 6: (32, 22),
             7: (32, 24), 12: (256, 144), 13: (256, 176), 14: (256, 210), 24: (1, 1)}
    tensors, data = [], b""
    for kind, (values, size) in sizes.items():
        tensors.append((f"b{kind}", [values, 1], kind, len(data)))
        data += bytes(range(size)) + bytes(-size % 32)
    write("gguf", "types", gguf([], tensors, data))
    write("gguf", "empty", gguf([], [], b""))


def safetensors(header: dict, data: bytes) -> bytes:
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def write_safetensors() -> None:
    kinds = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "U8": 1}
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for kind, size in kinds.items():
        header[kind.lower()] = {"dtype": kind, "shape": [1, 2], "data_offsets": [at, at + 2 * size]}
        at += 2 * size
    write("safetensors", "types", safetensors(header, bytes(range(at))))
    write("safetensors", "empty", safetensors({}, b""))


def write_index() -> None:
    index = {"metadata": {"total_size": 8}, "weight_map": {"a": "model-00001-of-00002.safetensors",
                                                           "b": "model-00002-of-00002.safetensors"}}
    write("index", "two", json.dumps(index).encode())


def write_llama2c() -> None:
    """dim 4, hidden 6, one layer, 2 heads, 1 kv_head, vocabulary 5, context 3."""
    sizes = struct.pack("<7i", 4, 6, 1, 2, 1, 5, 3)
    weights = 4 * (5 * 4 + 4 + 16 + 8 + 8 + 16 + 4 + 3 * 24 + 4)
    write("llama2c", "version0", sizes + bytes(weights + 4 * 6))
    write("llama2c", "version1", (b"24ka" + struct.pack("<i", 1) + sizes + b"\1").ljust(256, b"\0") + bytes(weights))


if __name__ == "__main__":
    shutil.rmtree(CORPUS, ignore_errors=True)
    write_gguf()
    write_safetensors()
    write_index()
    write_llama2c()
