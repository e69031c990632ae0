# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""compare.py reads what compilers write, and reports a difference beyond its limit as an error."""

import struct
import unittest

import compare

REPORT = """ptxas info    : 26 bytes gmem
ptxas info    : Compiling entry function 'k' for 'sm_80'
    8 bytes stack frame, 16 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 138 registers, used 1 barriers
"""


def elf(*kernels):
    """The smallest ELF file with sections of these names and sizes."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name, _ in kernels) + b".names\0"
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", header, 0x28, 64 + len(names))
    struct.pack_into("<HHH", header, 0x3A, 64, len(kernels) + 1, len(kernels))
    rows = b"".join(struct.pack("<IIQQQQ", names.index(name.encode()), 1, 0, 0, 0, size) + bytes(24)
                    for name, size in kernels)
    last = struct.pack("<IIQQQQ", names.index(b".names"), 3, 0, 0, 64, len(names)) + bytes(24)
    return bytes(header) + names + rows + last


class Compare(unittest.TestCase):
    def test_sizes_are_read_from_the_file(self):
        self.assertEqual(compare.bytes_of_code(elf((".text.k", 4864), (".data", 7))), 4864)
        for wrong in (elf((".data", 7)), elf((".text.a", 1), (".text.b", 2)), b"no ELF at all"):
            with self.assertRaises(ValueError):
                compare.bytes_of_code(wrong)

    def test_registers_and_spills_are_read_from_the_report(self):
        self.assertEqual(compare.resources(REPORT), {"registers": 138, "spilled bytes": 20})
        for wrong in ("", REPORT + REPORT):
            with self.assertRaises(ValueError):
                compare.resources(wrong)

    def test_a_difference_beyond_its_limit_is_an_error(self):
        by_hand = {"registers": 100, "spilled bytes": 0, "bytes of code": 1000}
        at_the_limit = {what: value + compare.LIMITS[what] for what, value in by_hand.items()}
        lines, good = compare.judged(at_the_limit, by_hand)
        self.assertTrue(good)
        self.assertIn(f"claim cuda_empty_policy_registers_delta {compare.LIMITS['registers']}", lines)
        for what in by_hand:
            self.assertFalse(compare.judged(at_the_limit | {what: at_the_limit[what] + 1}, by_hand)[1])


if __name__ == "__main__":
    unittest.main()
