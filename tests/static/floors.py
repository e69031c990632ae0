#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the floors: a header of basin may include only lower floors, its own folder, and that folder's detail/.

usage: floors.py INCLUDE_FOLDER    (the folder that holds basin/)

Prints one line per edge that breaks the rule and exits with 1; prints nothing and exits with 0 otherwise.
"""
import pathlib
import re
import sys

FLOOR = {
    "config.hpp": 0, "version.hpp": 0,
    "core": 1,
    "concepts": 2,
    "normalize": 3, "mask": 3, "prune": 3, "observe": 3, "score": 3,
    "attention.hpp": 4,
    "reference.hpp": 5,
    "cpu": 6, "cuda": 6, "sinks": 6, "theory": 6,
    "nn": 7,
    "lm": 8,
    "basin.hpp": 9, "basin.cuh": 9,
}
ONE_MODEL_PER_FILE = 3  # the floor whose files never include each other, not even within a folder
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])(basin/[^>"]+|\.[^>"]*)[>"]', re.MULTILINE)


def broken_rule(here: str, there: str) -> str | None:
    """The reason why the header `here` may not include `there` (both relative to basin/), or None if it may."""
    folder, target = here.split("/")[0], there.split("/")[0]
    if target not in FLOOR:
        return f"'{target}' is on no floor"
    if here.endswith(".hpp") and there.endswith(".cuh"):
        return "a .hpp needs no nvcc, a .cuh does"
    private = "/detail/" in there
    if private and folder != target:
        return "detail/ is private to its folder"
    if FLOOR[target] > FLOOR[folder]:
        return f"upwards, from floor {FLOOR[folder]} to floor {FLOOR[target]}"
    if FLOOR[target] < FLOOR[folder]:
        return None
    if folder != target:
        return f"sideways, on floor {FLOOR[folder]}"
    if FLOOR[folder] == ONE_MODEL_PER_FILE and not private:
        return f"sideways, from one model of {folder}/ to another"
    return None


def cycle_from(start: str, edges: dict[str, list[str]]) -> list[str]:
    """A chain of includes that returns to `start`, or an empty list."""
    paths = [[start]]
    seen = set()
    while paths:
        path = paths.pop()
        for target in edges.get(path[-1], []):
            if target == start:
                return path + [start]
            if target not in seen:
                seen.add(target)
                paths.append(path + [target])
    return []


def violations(include: pathlib.Path) -> list[str]:
    root = include / "basin"
    found = []
    edges = {}
    headers = sorted(p for p in root.rglob("*") if p.suffix in {".hpp", ".cuh"})
    if not headers:
        found.append(f"{root}: no header here; is this the include folder?")
    for header in headers:
        here = header.relative_to(root).as_posix()
        if here.split("/")[0] not in FLOOR:
            found.append(f"basin/{here}: '{here.split('/')[0]}' is on no floor")
            continue
        text = header.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            place = f"basin/{here}:{line}: includes {match[2]}"
            if match[1] == "<" or match[2].startswith("."):
                found.append(f'{place}: basin\'s own headers are spelled "basin/..."')
                continue
            there = match[2].removeprefix("basin/")
            reason = broken_rule(here, there)
            if reason is None and not (root / there).is_file():
                reason = "there is no such header"
            if reason:
                found.append(f"{place}: {reason}")
            edges.setdefault(here, []).append(there)
    for header in edges:
        cycle = cycle_from(header, edges)
        if cycle and header == min(cycle):
            found.append("a cycle: " + " -> ".join(cycle))
    return found


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    found = violations(pathlib.Path(sys.argv[1]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
