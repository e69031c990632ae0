#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that the compiler rejects a mistake with the expected message.

usage: fail.py SOURCE COMPILER [FLAG...]

The first line of SOURCE is "// expect: <regex>". SOURCE must compile as it is. With -DSHOULD_FAIL it must not compile,
and the output of the compiler must match the expression. Optional lines after it: "// flags: ..." adds flags to both
compilations; "// lines: N" limits the output to N lines, so that the message is easy to find.
"""
import pathlib
import re
import subprocess
import sys


def compile_source(source: str, command: list[str]) -> tuple[bool, str]:
    done = subprocess.run([*command, "-fsyntax-only", source], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def option_of(source: str, name: str) -> str:
    """The text after "// <name>: " in the first comment of SOURCE, or an empty text."""
    found = re.search(rf"^// {name}: (.*)$", pathlib.Path(source).read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else ""


def problem_of(source: str, command: list[str]) -> str | None:
    """A description of what is wrong with this case, or None."""
    first = pathlib.Path(source).read_text(encoding="utf-8").split("\n", 1)[0]
    if not first.startswith("// expect: "):
        return f"{source}: the first line must be '// expect: <regex>'"
    expected = first.removeprefix("// expect: ").strip()
    command = [*command, *option_of(source, "flags").split()]
    compiles, output = compile_source(source, command)
    if not compiles:
        return f"{source}: must compile without SHOULD_FAIL, and does not:\n{output}"
    compiles, output = compile_source(source, [*command, "-DSHOULD_FAIL"])
    if compiles:
        return f"{source}: must not compile with SHOULD_FAIL, and does"
    if not re.search(expected, output):
        return f"{source}: fails as it should, but its output does not match '{expected}':\n{output}"
    allowed, used = option_of(source, "lines"), output.count("\n")
    if allowed and used > int(allowed):
        return f"{source}: fails as it should, but in {used} lines where {allowed} are allowed:\n{output}"
    return None


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    problem = problem_of(sys.argv[1], sys.argv[2:])
    if problem:
        print(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
