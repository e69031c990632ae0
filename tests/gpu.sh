#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds the CUDA engine for the GPU of this machine, compares it with the reference there, and prints its figures.
#
#   tests/gpu.sh [--sanitize] [REPORT]
#
#   --sanitize   compute-sanitizer (memcheck, racecheck, synccheck) on the comparison as well
#   REPORT       where everything that is printed goes, too (default build/gpu/report.txt)
#
# Needs nvcc, a C++20 compiler, Catch2 2 (its single header) and xsimd; CUDACXX names nvcc, CXX the compiler; BASIN_INCLUDE lists more folders with headers,
# separated by ':' (for a machine where Catch2 and xsimd are not installed); ARCH the target, such as 90a (default: this GPU's).
# Where oneDNN and cuBLASLt are installed, a transformer on the GPU is compared with that on the host, too.
set -euo pipefail

sanitize=''
[[ ${1:-} != --sanitize ]] || { sanitize=yes; shift; }
case ${1:-} in
  -h|--help) sed -n '4,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  -*)        echo "tests/gpu.sh: '$1' is not an option; see tests/gpu.sh --help" >&2; exit 2 ;;
esac
report=${1:+$(realpath -m "$1")}
includes=()
IFS=: read -ra more <<<"${BASIN_INCLUDE:-}"
for folder in "${more[@]}"; do includes+=("-I$(realpath "$folder")"); done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
includes+=(-Iinclude -Itests)
nvcc=${CUDACXX:-nvcc} compiler=${CXX:-g++} build=build/gpu
report=${report:-$PWD/$build/report.txt}
command -v "$nvcc" >/dev/null || { echo "tests/gpu.sh: there is no '$nvcc'; install the CUDA Toolkit or name nvcc by CUDACXX" >&2; exit 1; }
command -v nvidia-smi >/dev/null || { echo "tests/gpu.sh: there is no nvidia-smi, so no GPU to run on; tests/run.sh runs the kernels on the host" >&2; exit 1; }

capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | sed -n 1p | tr -d .)
arch=${ARCH:-$([[ $capability == 90 ]] && echo 90a || echo "$capability")}
toolkit=$(dirname "$(dirname "$(readlink -f "$(command -v "$nvcc")")")")
cccl=$toolkit/include/cccl
[[ -d $cccl ]] || cccl=$(dirname "$(find "$toolkit" -path '*cuda/std/mdspan' -print -quit)")/../..

mkdir -p "$build" "$(dirname "$report")"
exec > >(tee "$report") 2>&1
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
"$nvcc" --version | tail -2 | head -1
echo "commit $(git describe --always --dirty 2>/dev/null || echo unknown), sm_$arch"

# A unit for each policy, as many at once as there are processors.
policies=$(grep -c 'named_policy{"' tests/gpu/policies.hpp)
unit() { "$nvcc" -std=c++20 -O3 -gencode "arch=compute_$arch,code=sm_$arch" "${includes[@]}" -isystem "$cccl" "-DBASIN_POLICY=$1" -c tests/gpu/run.cu -o "$build/run_$1.o"; }
cxx=("$compiler" -std=c++20 -O2 -w -fopenmp -march=native "${includes[@]}" -isystem "$cccl" -I"$toolkit/include" '-DBASIN_DEFAULT_SHARED_DATA=""')
jobs=()
for n in $(seq 0 $((policies - 1))); do
  unit "$n" & jobs+=($!)
  [[ ${#jobs[@]} -lt $(nproc) ]] || { wait "${jobs[0]}"; jobs=("${jobs[@]:1}"); }
done
for source in support/main gpu/device.test gpu/figures; do
  "${cxx[@]}" -c "tests/$source.cpp" -o "$build/$(basename "$source").o" & jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
"$nvcc" "$build"/run_*.o "$build"/{main,device.test}.o -o "$build/test_gpu" -Xcompiler -fopenmp
"$nvcc" "$build"/run_*.o "$build/figures.o" -o "$build/figures"

# Layers, training and caches: the engine of the programs against that of the host.
transformer=''
if echo '#include <oneapi/dnnl/dnnl.h>' | "$compiler" "${includes[@]}" -E -x c++ - >/dev/null 2>&1 && echo '#include <cublasLt.h>' | "$nvcc" -E -x cu - >/dev/null 2>&1; then
  transformer=$build/test_transformer
  "$nvcc" -std=c++20 -O3 -gencode "arch=compute_$arch,code=sm_$arch" "${includes[@]}" -Iexamples -isystem "$cccl" -c examples/models/cuda_engine.cu -o "$build/cuda_engine.o" & engine=$!
  "${cxx[@]}" -Itests/gpu -Iexamples -c tests/models/device_engine.test.cpp -o "$build/device_engine.test.o"
  wait "$engine"
  "$nvcc" "$build"/{main,device_engine.test,cuda_engine}.o -o "$transformer" -lcublasLt -ldnnl -Xcompiler -fopenmp
else
  echo "no comparison of layers: oneDNN or cuBLASLt is not installed"
fi

status=0
"$build/test_gpu" || status=1
[[ ! $transformer ]] || "$transformer" || status=1
if [[ $sanitize ]]; then
  for tool in memcheck racecheck synccheck; do
    echo "compute-sanitizer $tool"
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/test_gpu" "*float16*" | tail -5 || status=1
  done
fi
"$build/figures"
exit "$status"
