#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Sets up, builds a program of the examples and runs it; its report goes to build/PROGRAM-report unless --out names another
# folder.
#
#   examples/report/run.sh PROGRAM [ARGUMENT...]
#
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

program=$1
shift
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$source_dir/build folder=$source_dir/build/$program compiler=${CXX:-g++}
[[ ${compiler##*/} == g++ ]] || folder+=-${compiler##*/}

# The engine of the GPU takes minutes to compile: it is built where it is asked for.
cuda=OFF
[[ " $* " != *" --device"[" ="]"cuda "* ]] || cuda=ON

"$source_dir/cmake/setup.sh"
mkdir -p "$build"
cmake -S "$source_dir" -B "$folder" -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="$compiler" \
  -D BASIN_TESTS=OFF -D BASIN_BENCH=OFF -D BASIN_CUDA_PROGRAMS=$cuda >"$build/$program-configure.log" 2>&1 || { cat "$build/$program-configure.log" >&2; exit 1; }
cmake --build "$folder" --target "$program" --parallel "${JOBS:-$(nproc)}"

# Threads that wait must not spin: they would take the cores from each other.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
exec "$folder/examples/$program/$program" --out "$build/$program-report" "$@"
