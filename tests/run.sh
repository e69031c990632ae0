#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Sets up, configures, builds and runs all tests.
#
#   tests/run.sh [--sanitize address|thread] [CTEST_ARGUMENT...]
#
#   --sanitize address   AddressSanitizer and UndefinedBehaviorSanitizer
#   --sanitize thread    ThreadSanitizer, with clang++ unless CXX says otherwise
#   CTEST_ARGUMENT       handed to ctest, such as: -R softmax, -LE slow, -V
#
# Environment: CXX names the compiler (default g++); BASIN_SHARED_DATA the folder of the real inputs (default
# ../shared/data; tests that miss it are skipped by name); JOBS the number of parallel jobs (default: all processors).
# The build folder is build/<preset>, so every compiler and sanitizer keeps its own.
set -euo pipefail

preset=dev setup=()
case ${1:-} in
  --sanitize)
    case ${2:-} in
      address) preset=asan ;;
      thread)  preset=tsan; export CXX=${CXX:-clang++} ;;
      *)       echo "tests/run.sh: --sanitize takes 'address' or 'thread', not '${2:-}'" >&2; exit 2 ;;
    esac
    setup=(--sanitize)
    shift 2 ;;
  -h|--help) sed -n '4,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake/setup.sh "${setup[@]}"

folder=build/$preset compiler=${CXX:-g++}
[[ ${compiler##*/} == g++ ]] || folder+=-${compiler##*/}
jobs=${JOBS:-$(nproc)}

cmake --preset "$preset" -B "$folder" -D CMAKE_CXX_COMPILER="$compiler"
cmake --build "$folder" --parallel "$jobs"

# Tests of one machine share its cores: threads that wait must not spin. Archer tells ThreadSanitizer about the barriers
# of clang's OpenMP runtime; the runtime itself is not instrumented.
export OMP_WAIT_POLICY=passive
if [[ $preset == tsan ]]; then
  export TSAN_OPTIONS="ignore_noninstrumented_modules=1 ${TSAN_OPTIONS:-}"
fi
ctest --test-dir "$folder" --output-on-failure --parallel "$jobs" "$@"
