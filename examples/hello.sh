#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds and runs the first example, 01_hello.cpp: one attention call that also counts what every key received. It
# prints one line.
#
#   examples/hello.sh
#
# Time, the first build included: 9 seconds of processor time (two cores, AVX2, g++ 12).
# cmake/setup.sh installs what is missing before that.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" 01_hello "$@"
