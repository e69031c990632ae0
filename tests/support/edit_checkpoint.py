# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a checkpoint wrong on purpose: the first numbers of a tensor, or an entry of the configuration.

    edit_checkpoint.py FOLDER weight NAME COUNT VALUE     edit_checkpoint.py FOLDER config PATH.TO.ENTRY JSON
"""
import json
import pathlib
import struct
import sys

folder, what, name, *rest = sys.argv[1:]
path = pathlib.Path(folder) / "model.safetensors"
data = path.read_bytes()
length = struct.unpack_from("<Q", data)[0]
header, tensors = json.loads(data[8:8 + length]), bytearray(data[8 + length:])
if what == "weight":
    count, value = int(rest[0]), float(rest[1])
    struct.pack_into(f"<{count}f", tensors, header[name]["data_offsets"][0], *[value] * count)
else:
    config = json.loads(header["__metadata__"]["config"])
    *sections, last = name.split(".")
    at = config
    for section in sections:
        at = at[int(section) if isinstance(at, list) else section]
    if rest[0] == "absent":
        del at[last]
    else:
        at[last] = json.loads(rest[0])
    header["__metadata__"]["config"] = json.dumps(config)
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
path.write_bytes(struct.pack("<Q", len(text)) + text + tensors)
