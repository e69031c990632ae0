#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that fail.py accepts a good case and rejects each kind of bad case. usage: fail_test.py COMPILER"""
import pathlib
import sys
import tempfile
import unittest

import fail

COMPILER = sys.argv.pop(1) if len(sys.argv) > 1 else "c++"


class fail_test(unittest.TestCase):
    def problem(self, text: str) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "case.cpp"
            source.write_text(text)
            return fail.problem_of(str(source), [COMPILER, "-std=c++20"])

    def test_a_good_case(self):
        case = '// expect: say .why\n#ifdef SHOULD_FAIL\nstatic_assert(false, "say (why");\n#endif\n'
        self.assertIsNone(self.problem(case))

    def test_flags_that_a_case_adds(self):
        case = "// flags: -DLOUD\n#if defined(LOUD) && defined(SHOULD_FAIL)\n#error heard\n#endif\n"
        self.assertIsNone(self.problem("// expect: heard\n" + case))
        self.assertIn("and does", self.problem("// expect: heard\n" + case.replace("-DLOUD", "-DQUIET")))

    def test_more_lines_than_allowed(self):
        case = "// expect: why\n// lines: {}\n#ifdef SHOULD_FAIL\n#error why\n#endif\n"
        self.assertIn("lines where 0", self.problem(case.format(0)))
        self.assertIsNone(self.problem(case.format(20)))

    def test_without_an_expectation(self):
        self.assertIn("first line", self.problem("#ifdef SHOULD_FAIL\n#error no\n#endif\n"))

    def test_when_nothing_fails(self):
        self.assertIn("and does", self.problem("// expect: x\n"))

    def test_when_the_control_fails(self):
        self.assertIn("and does not", self.problem("// expect: x\n#error x\n"))

    def test_when_it_fails_in_other_words(self):
        self.assertIn("does not match", self.problem("// expect: why\n#ifdef SHOULD_FAIL\n#error because\n#endif\n"))


if __name__ == "__main__":
    unittest.main()
