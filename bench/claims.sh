#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Runs every benchmark in its short form and prints one line for each figure that README states: claim NAME VALUE.
# Everything else goes to stderr. Environment: CXX names the compiler (default g++).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
compiler=${CXX:-g++} build=build/bench
[[ ${compiler##*/} == g++ ]] || build+=-${compiler##*/}
BASIN_COMMIT=$(git describe --always --dirty 2>/dev/null || echo unknown)
export BASIN_COMMIT

{
  cmake/setup.sh
  cmake --preset release -B "$build" -D CMAKE_CXX_COMPILER="$compiler" -D BASIN_TESTS=OFF -D BASIN_EXAMPLES=OFF
  cmake --build "$build" --parallel
} >&2

for bench in "$build"/bench/bench_*; do
  [[ -x $bench && -f $bench ]] || continue
  "$bench" --short --claims
done
