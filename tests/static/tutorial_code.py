# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that every ```cpp block of the tutorial occurs word for word in a numbered example, which the tests run."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
examples = "\n".join(p.read_text() for p in sorted((root / "examples").glob("[0-9][0-9]_*.cpp")))
blocks = re.findall(r"```cpp\n(.*?)```", (root / "docs/tutorial.md").read_text(), re.S)
missing = [b for b in blocks if b not in examples]
for block in missing:
    print(f"docs/tutorial.md: no numbered example has this code:\n{block}")
print(f"{len(blocks)} blocks, {len(missing)} not in an example")
sys.exit(1 if missing or not blocks else 0)
