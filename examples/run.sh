#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Installs what is missing, builds one example or program, and runs it. hello.sh, train.sh, generate.sh, study.sh and
# limits.sh call this script; it runs the other numbered examples as well: examples/run.sh 02_normalizers.
#
#   examples/run.sh NAME [ARGUMENT...]
#
#   NAME       a numbered example, such as 02_normalizers (not 07_gpu), train, generate, study or limits
#   ARGUMENT   passed to the program
#
# The program is built in build/NAME. Only what changed since the last run is compiled again.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=${1-}
program=$source_dir/examples/$name
[[ $name && ( -f $program.cpp || -f $program/$name.cpp ) ]] || {
  echo "run.sh: NAME is '$name'; it must be a numbered example such as 01_hello, train, generate, study or limits:" \
    "examples/run.sh NAME [ARGUMENT...]" >&2
  exit 2
}
shift
build=$source_dir/build folder=$source_dir/build/$name compiler=${CXX:-g++}
[[ ${compiler##*/} == g++ ]] || folder+=-${compiler##*/}

# The GPU engine takes minutes to compile: it is built only for --device cuda.
cuda=OFF
[[ " $* " != *" --device"[" ="]"cuda "* ]] || cuda=ON

logged() {  # LOG COMMAND...: output goes to the log, which a failure prints
  local log=$1
  shift
  "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}

"$source_dir/cmake/setup.sh"
mkdir -p "$build"
logged "$build/$name-configure.log" cmake -S "$source_dir" -B "$folder" -G Ninja -D CMAKE_BUILD_TYPE=Release \
  -D CMAKE_CXX_COMPILER="$compiler" -D BASIN_TESTS=OFF -D BASIN_BENCH=OFF -D BASIN_CUDA_PROGRAMS=$cuda
cmake --build "$folder" --target "$name" --parallel "${JOBS:-$(nproc)}"

# Threads that wait must not spin: they would take the cores from each other.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
binary=$folder/examples/$name
[[ ! -d $binary ]] || binary+=/$name
exec "$binary" "$@"
