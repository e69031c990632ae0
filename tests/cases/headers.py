#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles the sources of the shared cases: each gets an error that names the remedy, or gives the right value.

usage: headers.py COMPILER [FLAG...]; exit code 4 without the cases

The cases were written when basin::index_t was named basin::index; they are compiled with today's name.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("BASIN_SHARED_DATA", TESTS.parent.parent / "shared" / "data"))
CASES = DATA.parent / "cases"
FINITE_MATH = r"-ffast-math, -ffinite-math-only or .*not dependable; remove the flag"
NATIVE = ["-march=native"]

# source, flags, what the compiler must say (None: it must compile)
COMPILED = [
    ("with_twice", NATIVE, r"would drop the policy .*all_of\(a, b\).*together\(a, b\)"),
    ("raw_bits_uint16", ["-march=x86-64"], r"tensors of attention hold double, float, .*basin::as_bfloat16\(pointer\)"),
    ("raw_bits_uint16", NATIVE, r"tensors of attention hold double, float, .*basin::as_bfloat16\(pointer\)"),
    ("fast_math_nan", ["-ffast-math"], FINITE_MATH),
    ("fast_math_nan", ["-ffinite-math-only"], FINITE_MATH),
    ("stick_breaking", [], r"this normalizer lacks `template <class T> T weight\(row<T> const&, T score\) const`"),
    ("using_index", [], None),
]


def long_rows(output: str) -> bool:
    """Up to 4 million keys: every error stays at a few units of single precision."""
    errors = [float(error) for error in re.findall(r"(?:rel|=|lse|entropy) (-?\d[^,\s]*)", output)]
    return len(errors) == 4 * 5 and all(abs(error) < 4e-6 for error in errors)


def lanes_near_underflow(output: str) -> bool:
    """A lane may give 0 only where the scalar exponential or the scalar weight is subnormal or 0."""
    rows = re.findall(r"p scalar (\S+) simd (\S+)  weight scalar (\S+) least (\S+)", output)
    return all(float(lane) == 0 and min(float(p), float(weight)) < float(least) for p, lane, weight, least in rows)


# source, what its output must satisfy
RUN = [
    ("hook_throws", lambda output: output == "caught no\n"),
    ("scale_nan", lambda output: "basin::scaled: scale is nan; it must be finite" in output),
    ("long_rows", long_rows),
    ("self_adjusted_plain_simd", lanes_near_underflow),
]


def call(*command: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def problems(folder: pathlib.Path, compiler: list[str]) -> list[str]:
    found = []
    for name, flags, words in COMPILED:
        done = call(*compiler, *flags, "-fsyntax-only", folder / f"{name}.cpp")
        if words is None and done.returncode != 0:
            found.append(f"{name} {flags} must compile: {done.stdout[:2000]}")
        if words is not None and (done.returncode == 0 or not re.search(words, done.stdout)):
            found.append(f"{name} {flags} must be refused with '{words}': {done.stdout[:2000]}")
    for name, holds in RUN:
        program = folder / name
        done = call(*compiler, *NATIVE, "-O2", "-fopenmp", folder / f"{name}.cpp", "-o", program)
        output = call(program).stdout if done.returncode == 0 else done.stdout[:2000]
        if done.returncode != 0 or not holds(output):
            found.append(f"{name} gives: {output}")
    checked = {name for name, *_ in COMPILED + RUN}
    unknown = {path.stem for path in CASES.glob("*.cpp")} ^ checked
    return found + [f"checked but not in {CASES}, or there but not checked: {name}" for name in sorted(unknown)]


def main() -> int:
    if not CASES.is_dir():
        print(f"skipped: {CASES} is absent; BASIN_SHARED_DATA=<folder> names the data beside it")
        return 4
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for path in CASES.glob("*.?pp"):
            text = path.read_text(encoding="utf-8")
            (folder / path.name).write_text(re.sub(r"\bbasin::index\b", "basin::index_t", text))
        found = problems(folder, [*sys.argv[1:], f"-I{TESTS}"])
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
