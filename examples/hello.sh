#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds and runs the first example, 01_hello.cpp: one attention call that also counts what every key received. It
# prints one line.
#
#   examples/hello.sh
#
# Time: TIME_HELLO. cmake/setup.sh installs what is missing first; that is not in the time.
# Environment: CXX names the compiler (default g++); JOBS the number of parallel jobs (default: all processors).
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" 01_hello "$@"
