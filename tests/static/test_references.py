# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that every test file named in headers and docs exists, and every test named in docs/explanation/limits.md.

Run       python3 test_references.py ROOT      (of the project)
"""

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
files = [str(f.relative_to(root / "tests")) for f in (root / "tests").rglob("*.test.cpp")]
names = [name for f in (root / "tests").rglob("*.test.cpp")
         for name in re.findall(r'TEST_CASE\("([^"]*)"', f.read_text())]
wrong = []

for page in [*(root / "include").rglob("*.hpp"), *(root / "docs").rglob("*.md")]:
    for named in re.findall(r"[\w/]+\.test\.cpp", page.read_text()):
        if not any(f == named or f.endswith("/" + named) for f in files):
            wrong.append(f"{page.relative_to(root)}: there is no tests/{named}")

page = root / "docs/explanation/limits.md"
named = [name for line in page.read_text().splitlines() if line.startswith("|")
         for name in re.findall(r'"([^"]*)"', line.rsplit("|", 2)[1])]
wrong += [f"{page.relative_to(root)}: no test is called ... {name} ..."
          for name in named if name != "..." and not any(name in n for n in names)]

if not named:
    wrong.append(f"{page.relative_to(root)}: its tables name no test")
for line in wrong:
    print(line)
sys.exit(bool(wrong))
