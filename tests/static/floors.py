#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the floors: a header of basin may include only lower floors, its own folder, and that folder's detail/.

usage: floors.py INCLUDE_FOLDER [EXAMPLES_FOLDER]    (the folder that holds basin/, and examples/)

lm/ has floors of its own, folder by folder, by the same rule; a header may be on another floor than its folder. A program of examples/ may include the library, its own
folder and what programs share: programs/ and report/.

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
LM_FLOOR = {
    "devices": 0, "tokenizers/bytes.hpp": 0, "finite.hpp": 0, "views.hpp": 0,
    "weight.hpp": 1,
    "layers": 2,
    "attention_config.hpp": 3, "attention_cache.hpp": 3, "model_sizes.hpp": 3, "stages.hpp": 3,
    "policies": 4, "names.hpp": 4, "input_layer.hpp": 4, "output_layer.hpp": 4,
    "attention_layer.hpp": 5, "sequence_cache.hpp": 5,
    "block.hpp": 6,
    "transformer.hpp": 7,
    "models": 8, "objectives": 8, "decoding": 8,
    "io": 9,
    "tokenizers": 10, "pretrained": 10,
    "evaluation": 11,
    "training": 12,
}
SHARED_BY_PROGRAMS = {"programs": 0, "report": 1}
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
    if folder == target == "lm":
        return broken_rule_of_lm(place_in_lm(here), place_in_lm(there))
    if FLOOR[target] > FLOOR[folder]:
        return f"upwards, from floor {FLOOR[folder]} to floor {FLOOR[target]}"
    if FLOOR[target] < FLOOR[folder]:
        return None
    if folder != target:
        return f"sideways, on floor {FLOOR[folder]}"
    if FLOOR[folder] == ONE_MODEL_PER_FILE and not private:
        return f"sideways, from one model of {folder}/ to another"
    return None


def place_in_lm(header: str) -> str:
    """What has a floor in lm/: the header itself, if it is listed, else its folder."""
    inside = header.removeprefix("lm/")
    return inside if inside in LM_FLOOR else inside.split("/")[0]


def broken_rule_of_lm(here: str, there: str) -> str | None:
    """The same between two folders or headers of lm/."""
    for one in (here, there):
        if one not in LM_FLOOR:
            return f"'lm/{one}' is on no floor"
    if here != there and LM_FLOOR[there] >= LM_FLOOR[here]:
        return f"upwards or sideways in lm/, from floor {LM_FLOOR[here]} to floor {LM_FLOOR[there]}"
    return None


def violations_of_examples(examples: pathlib.Path) -> list[str]:
    """Includes of programs that are neither their own, nor the library's, nor shared."""
    found = []
    for source in sorted(p for p in examples.rglob("*") if p.suffix in {".hpp", ".cpp", ".cu"}):
        here = source.relative_to(examples).parts[0]
        text = source.read_text(encoding="utf-8")
        for match in re.finditer(r'^#include "([a-z_]+)/[^"]+"', text, re.MULTILINE):
            there = match[1]
            floor = SHARED_BY_PROGRAMS.get(there)
            if there in ("basin", here) or (floor is not None and floor < SHARED_BY_PROGRAMS.get(here, 2)):
                continue
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"examples/{source.relative_to(examples).as_posix()}:{line}: includes {match[0][10:-1]}: "
                         "a program includes the library, its own folder, programs/ and report/")
    return found


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
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    found = violations(pathlib.Path(sys.argv[1]))
    if len(sys.argv) == 3:
        found += violations_of_examples(pathlib.Path(sys.argv[2]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
