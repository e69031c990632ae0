# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cost of unused policies: registers, spills and code size of attention<>{} and of the same algorithm written by
hand, for sm_80. No GPU is needed.

  compare.py NVCC FOLDER FLAG...   compiles empty_policy.cu and by_hand.cu into FOLDER; fails if a difference exceeds
                                   its limit
"""

import pathlib
import re
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
# The values with nvcc 13.0; the goal is 0. docs/reference/gpu-validation.md explains the difference.
LIMITS = {"registers": 1, "spilled bytes": 0, "bytes of code": 2432}


def sections(elf):
    """Names and sizes of the sections of a 64-bit little-endian ELF file."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no 64-bit little-endian ELF file")
    start, = struct.unpack_from("<Q", elf, 0x28)
    step, count, of_names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", elf, start + n * step) for n in range(count)]
    names = elf[headers[of_names][4]:][:headers[of_names][5]]
    return [(names[name:names.index(b"\0", name)].decode(), size) for name, _, _, _, _, size in headers]


def bytes_of_code(elf):
    found = [size for name, size in sections(elf) if name.startswith(".text")]
    if len(found) != 1:
        raise ValueError(f"{len(found)} kernels where 1 was expected")
    return found[0]


def resources(report):
    """Registers and spilled bytes of the one kernel that `nvcc -Xptxas -v` reports on."""
    registers = re.findall(r"Used (\d+) registers", report)
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", report)
    if len(registers) != 1 or len(spills) != 1:
        raise ValueError(f"no report of exactly one kernel in:\n{report}")
    return {"registers": int(registers[0]), "spilled bytes": sum(map(int, spills[0]))}


def compiled(nvcc, folder, name, flags):
    cubin = folder / f"{name}.cubin"
    command = [nvcc, "-std=c++20", "-O3", "-gencode=arch=compute_80,code=sm_80", "-Xptxas", "-v", "-cubin", *flags,
               "-o", cubin, HERE / f"{name}.cu"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"codegen: {name}.cu does not compile:\n{done.stderr}")
    return resources(done.stderr) | {"bytes of code": bytes_of_code(cubin.read_bytes())}


def judged(empty, by_hand):
    """Lines to print, and whether every difference is within its limit."""
    title = "attention<>{}, bf16, dim 64, sm_80"
    lines, good = [f"{title:<36} {'empty':>7} {'by hand':>8} {'more':>6} {'limit':>6}"], True
    for what, limit in LIMITS.items():
        more = empty[what] - by_hand[what]
        exceeded = "" if more <= limit else "  exceeded"
        lines.append(f"{what:<36} {empty[what]:>7} {by_hand[what]:>8} {more:>6} {limit:>6}{exceeded}")
        good = good and more <= limit
    for name, what in (("registers", "registers"), ("code_bytes", "bytes of code")):
        lines.append(f"claim cuda_empty_policy_{name}_delta {empty[what] - by_hand[what]}")
    return lines, good


def main():
    nvcc, folder, *flags = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lines, good = judged(*(compiled(nvcc, folder, name, flags) for name in ("empty_policy", "by_hand")))
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
