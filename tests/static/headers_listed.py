#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that cmake/headers.cmake lists exactly the headers that exist.

usage: headers_listed.py SOURCE_FOLDER HEADER...    (HEADER...: the lists, relative to SOURCE_FOLDER)
"""
import pathlib
import sys


def main() -> int:
    source = pathlib.Path(sys.argv[1])
    listed = sys.argv[2:]
    existing = {p.relative_to(source).as_posix() for p in (source / "include").rglob("*") if p.is_file()}
    problems = [f"{h}: exists but is not listed in cmake/headers.cmake, so it is not installed"
                for h in sorted(existing - set(listed))]
    problems += [f"{h}: is listed in cmake/headers.cmake but does not exist" for h in sorted(set(listed) - existing)]
    twice = {h for h in listed if listed.count(h) > 1}
    problems += [f"{h}: is listed twice in cmake/headers.cmake" for h in sorted(twice)]
    for line in problems:
        print(line)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
