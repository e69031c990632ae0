#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Sets up, builds the study and runs it.
#
#   examples/study.sh [STUDY_ARGUMENT...]
#
#   STUDY_ARGUMENT   handed to the study, such as: --count 200, --text FILE, --retrain, --out FOLDER; --help lists them
#
# The report and the CSV files go to build/study-report unless --out names another folder.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$source_dir/build folder=$source_dir/build/study compiler=${CXX:-g++}
[[ ${compiler##*/} == g++ ]] || folder+=-${compiler##*/}

"$source_dir/cmake/setup.sh"
mkdir -p "$build"
cmake -S "$source_dir" -B "$folder" -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="$compiler" \
  -D BASIN_TESTS=OFF -D BASIN_BENCH=OFF >"$build/study-configure.log" 2>&1 || { cat "$build/study-configure.log" >&2; exit 1; }
cmake --build "$folder" --target study --parallel "${JOBS:-$(nproc)}"

# Threads that wait must not spin: they would take the cores from each other.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
exec "$folder/examples/study/study" --out "$build/study-report" "$@"
