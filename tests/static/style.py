#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks rules of style that a program can check: lines of at most 120 columns, no bool parameter of a template.

usage: style.py SOURCE
"""
import pathlib
import re
import sys

FOLDERS = ["include", "examples", "bench", "tests"]
SUFFIXES = {".hpp", ".cuh", ".cpp", ".cu"}
COLUMNS = 120
# Lines that are one word or one table row, which no break makes better.
MAY_BE_LONG = re.compile(r'// (expect: |    prompt, 40 bytes)|^ *(///?)? *https?://|R"\(')
BOOL_PARAMETER = re.compile(r"template <(?:[^>]*, *)?bool [A-Z]")


def problems(source: pathlib.Path) -> list[str]:
    found = []
    for folder in FOLDERS:
        for path in sorted((source / folder).rglob("*")):
            if path.suffix not in SUFFIXES:
                continue
            name = path.relative_to(source).as_posix()
            for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
                if len(line) > COLUMNS and not MAY_BE_LONG.search(line):
                    found.append(f"{name}:{number}: {len(line)} columns; at most {COLUMNS}")
                if folder == "include" and BOOL_PARAMETER.search(line):
                    found.append(f"{name}:{number}: a bool parameter of a template; an enum class says what it means")
    return found


def main() -> int:
    found = problems(pathlib.Path(sys.argv[1]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
