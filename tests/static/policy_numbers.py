#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that every number and every view of every policy has a test with a bad value.

usage: policy_numbers.py SOURCE

A member of a policy (a double, float, integer, per_head, view or span) counts as tested if one statement of tests/unit
names the policy and contains the member's name in a string: the text that the error must contain.
"""
import pathlib
import re
import sys

FOLDERS = ["normalize", "normalize/law", "mask", "prune", "score", "observe"]
STRUCT = re.compile(r"^(?:template <[^\n]*>\n)?struct (\w+)(?: : [^{]*)? \{\n(.*?)^\};", re.MULTILINE | re.DOTALL)
TYPES = r"double|float|int|index_t|std::\w+_t|per_head|parameter_gradients|view<[^>]*>|std::span<[^>]*>"
MEMBER = re.compile(rf"^  (?:{TYPES}) (\w+(?:[^;()]*, \w+)*)[^;()]*;", re.MULTILINE)
# Members for which any value is valid, and structures that are not policies.
ANY_VALUE = {("documents", "ids")}
NO_POLICIES = {"sparse_choice", "heavy_budget"}


def members_of(body: str) -> list[str]:
    names = []
    for match in MEMBER.finditer(re.sub(r"^  static constexpr[^;]*;", "", body, flags=re.MULTILINE)):
        names += re.findall(r"(\w+)\s*(?:\{[^}]*\}|=\s*[^,]+)?(?:,|$)", match.group(1))
    return names


def policies(source: pathlib.Path) -> list[tuple[str, str]]:
    found = []
    for folder in FOLDERS:
        for header in sorted((source / "include/basin" / folder).glob("*.hpp")):
            for name, body in STRUCT.findall(header.read_text(encoding="utf-8")):
                if "void validate" in body and name not in NO_POLICIES:
                    found += [(name, member) for member in members_of(body)]
    return found


def statements(source: pathlib.Path) -> list[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((source / "tests/unit").rglob("*.cpp")))
    return re.split(r";\n", text)


def untested(source: pathlib.Path) -> list[tuple[str, str]]:
    tests = statements(source)

    def is_tested(name: str, member: str) -> bool:
        says = re.compile(rf'"[^"]*\b{member}\b[^"]*"')
        return any(re.search(rf"\b{name}\b", test) and says.search(test) for test in tests)

    return [pair for pair in policies(source) if pair not in ANY_VALUE and not is_tested(*pair)]


def main() -> int:
    source = pathlib.Path(sys.argv[1])
    missing = untested(source)
    for name, member in missing:
        print(f"basin::{name}: no test in tests/unit gives '{member}' a bad value and checks the error")
    print(f"{len(policies(source))} numbers and views of policies, {len(missing)} without a test")
    return 1 if missing or len(policies(source)) < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
