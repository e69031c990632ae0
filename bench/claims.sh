#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Runs every benchmark in its short form and prints one line for each figure that README states: claim NAME VALUE.
# Everything else goes to stderr. Takes about 4 minutes on an idle machine, after the build.
#
#   bench/claims.sh [--peers]
#
#   --peers   also run the comparisons with other libraries (bench/peers/run.sh): installs them and takes longer
#
# Environment: CXX names the compiler (default g++).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-} in
  ''|--peers) ;;
  -h|--help)  sed -n '4,11s/^# \{0,1\}//p' bench/claims.sh; exit 0 ;;
  *)          echo "claims: '$1' is not an option; see bench/claims.sh --help" >&2; exit 2 ;;
esac
compiler=${CXX:-g++} build=build/bench
[[ ${compiler##*/} == g++ ]] || build+=-${compiler##*/}
BASIN_COMMIT=$(git describe --always --dirty 2>/dev/null || echo unknown)
export BASIN_COMMIT

{
  cmake/setup.sh
  cmake --preset release -B "$build" -D CMAKE_CXX_COMPILER="$compiler" -D BASIN_TESTS=OFF -D BASIN_EXAMPLES=OFF
  cmake --build "$build" --parallel
} >&2

failed=0
for bench in "$build"/bench/bench_*; do
  [[ -x $bench && -f $bench ]] || continue
  "$bench" --short --claims || failed=1
done
[[ ${1:-} != --peers ]] || bench/peers/run.sh || failed=1
exit "$failed"
