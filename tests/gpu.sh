#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Builds the CUDA engine for the GPU of this machine, compares it with the reference, checks it with compute-sanitizer,
# and prints its figures beside those of PyTorch, as lines 'claim NAME VALUE'.
#
#   tests/gpu.sh [--only PART[,PART...]] [REPORT]
#
#   --only PART   one or several of
#                   build      compiles everything; needs no GPU if ARCH is given
#                   parity     every policy against the reference, random shapes, decode, graphs; each call twice, with
#                              poison in its outputs
#                   figures    speeds, costs, PyTorch beside them, registers of an unused policy
#                   sanitize   memcheck, racecheck and synccheck on a reduced set
#                 (default: all four, in this order). Each part ends within 10 minutes on 16 processors and one GPU
#   REPORT        the file that receives everything that is printed as well (default build/gpu/report.txt). Parts that
#                 ran before on the same commit, GPU and toolkit stay in it
#
# Needs nvcc, a C++20 compiler, Catch2 2 (its single header) and xsimd. The figures need python3; those of PyTorch need
# torch, without which each is a line 'unmeasured NAME: reason'.
# Where oneDNN and cuBLASLt are installed, a transformer on the GPU is compared with the same one on the host.
# Environment: CUDACXX names nvcc, CXX the compiler, PYTHON a Python. BASIN_INCLUDE lists more folders with headers,
# separated by ':' (for a machine where Catch2 and xsimd are not installed). ARCH is the target, such as 90a (default:
# that of this GPU). JOBS is the number of compilers in parallel (default: all processors). TOOLS are the tools of
# compute-sanitizer (default: all three), which share 9 minutes. BASIN_COMMIT names the commit where git cannot.
set -euo pipefail

usage() { sed -n '4,27s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
refuse() { echo "tests/gpu.sh: $1" >&2; exit "${2:-1}"; }

known=(build parity figures sanitize) parts=() chosen=''
while [[ ${1:-} == -* ]]; do
  case $1 in
    --only)    [[ $# -gt 1 ]] || refuse "--only needs one or several of ${known[*]}, separated by commas" 2
               IFS=, read -ra parts <<<"$2"; chosen=yes; shift 2 ;;
    -h|--help) usage; exit 0 ;;
    *)         refuse "'$1' is not an option; see tests/gpu.sh --help" 2 ;;
  esac
done
[[ $# -le 1 ]] || refuse "'$2' is one argument too many; see tests/gpu.sh --help" 2
[[ $chosen ]] || parts=("${known[@]}")
[[ ${#parts[@]} -gt 0 ]] || refuse "--only needs one or several of ${known[*]}, separated by commas" 2
for part in "${parts[@]}"; do
  [[ " ${known[*]} " == *" $part "* ]] || refuse "there is no part '$part'; there are ${known[*]}" 2
done
wanted() { [[ " ${parts[*]} " == *" $1 "* ]]; }

report=${1:+$(realpath -m "$1")}
includes=()
IFS=: read -ra more <<<"${BASIN_INCLUDE:-}"
for folder in "${more[@]}"; do
  [[ -d $folder ]] || refuse "BASIN_INCLUDE names '$folder', which is no folder"
  includes+=("-I$(realpath "$folder")")
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
includes+=(-Iinclude -Itests -Itests/gpu -Ibench -Iexamples)
nvcc=${CUDACXX:-nvcc} compiler=${CXX:-g++} python=${PYTHON:-python3} build=build/gpu jobs=${JOBS:-$(nproc)}
report=${report:-$PWD/$build/report.txt}
[[ $jobs =~ ^[1-9][0-9]*$ ]] || refuse "JOBS is '$jobs'; it must be a number of 1 or more"
command -v "$nvcc" >/dev/null || refuse "there is no '$nvcc'; install the CUDA Toolkit or name nvcc by CUDACXX"
command -v "$compiler" >/dev/null || refuse "there is no '$compiler'; name a C++20 compiler by CXX"

gpu='no GPU'
if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then
  gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | sed -n 1p)
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | sed -n 1p | tr -d .)
  arch=${ARCH:-$([[ $capability == 90 ]] && echo 90a || echo "$capability")}
elif [[ ${parts[*]} == build && ${ARCH:-} ]]; then
  arch=$ARCH
else
  refuse "nvidia-smi finds no GPU to run on; tests/run.sh runs the kernels on the host, and \
ARCH=90a tests/gpu.sh --only build compiles without one"
fi
# nvcc may be a link or a wrapper.
toolkit=$(realpath "$("$nvcc" --dryrun -x cu -c /dev/null -o /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p')")
cccl=$toolkit/include/cccl
[[ -d $cccl ]] || cccl=$(dirname "$(find "$toolkit" -path '*cuda/std/mdspan' -print -quit)")/../..

# The report has one section for each part, in a file. Sections of another commit, GPU or toolkit are dropped.
sections=$build/sections
mkdir -p "$sections" "$(dirname "$report")"
commit=${BASIN_COMMIT:-$(git describe --always --dirty 2>/dev/null || echo unknown)}
machine="$gpu
$("$nvcc" --version | grep -o 'release.*')
commit $commit, sm_$arch"
[[ -f $sections/machine && $(<"$sections/machine") == "$machine" ]] || rm -f "$sections"/*
echo "$machine" | tee "$sections/machine"
write_report() {
  for part in machine "${known[@]}"; do
    [[ ! -f $sections/$part ]] || { [[ $part == machine ]] || echo "--- $part"; cat "$sections/$part"; }
  done >"$report"
}
trap write_report EXIT

# --- build
compile_host=("$compiler" -std=c++20 -O2 -fPIC -w -fopenmp -march=native "${includes[@]}" -isystem "$cccl"
              -I"$toolkit/include" '-DBASIN_DEFAULT_SHARED_DATA=""')
has_layers() {
  echo '#include <oneapi/dnnl/dnnl.h>' | "$compiler" "${includes[@]}" -E -x c++ - >/dev/null 2>&1 &&
    echo '#include <cublasLt.h>' | "$nvcc" -E -x cu - >/dev/null 2>&1
}
list_units() { "${compile_host[@]}" -O0 tests/gpu/units.cpp -o "$build/units" && "$build/units"; }
object_of() { local of=${1//\//_}; echo "$build/${of%.*}_$2.o"; }
compile_unit() {  # SOURCE CASE
  local object began=$SECONDS command define=()
  object=$(object_of "$1" "$2")
  [[ $2 == - ]] || define=("-DBASIN_CASE=$2")
  if [[ $1 == *.cu ]]; then
    command=("$nvcc" -std=c++20 -O3 -lineinfo -Xcompiler -fPIC -gencode "arch=compute_$arch,code=sm_$arch"
             "${includes[@]}" -isystem "$cccl")
  else
    command=("${compile_host[@]}")
  fi
  rm -f "$object"
  if "${command[@]}" "${define[@]}" -c "$1" -o "$object" >"$object.log" 2>&1; then
    echo "$sources" >"$object.of"
    echo "$((SECONDS - began)) s: $1${define:+ ${define[0]}}" >>"$build/times"
  else
    rm -f "$object"
    { echo "$1${define:+ ${define[0]}} does not compile:"; head -40 "$object.log"; } >&2
  fi
}
build_all() {
  local source number object began=$SECONDS objects=() missing=0 sources
  local folders=(include tests/support tests/parity tests/gpu tests/lm examples/programs bench/cuda bench/support)
  # Objects of the same sources, compilers and target are reused, so that an interrupted build continues.
  sources=$({
    find "${folders[@]}" -type f -exec sha256sum {} + | sort
    "$nvcc" --version; "$compiler" --version; echo "$arch"
  } | sha256sum)
  : >"$build/times"
  list_units >"$build/units.txt" || return 1
  if has_layers; then
    printf 'tests/gpu/models.cu %s\n' {0..7} >>"$build/units.txt"
    printf '%s -\n' examples/programs/{cuda_device.cu,normalizers_by_name.cpp,normalizers_with_thresholds.cpp} \
      examples/programs/your_normalizers.cpp tests/gpu/device_normalizers.cpp \
      tests/lm/{transformer,models_by_name}_on_a_device.test.cpp >>"$build/units.txt"
  else echo "no comparison of layers: oneDNN or cuBLASLt is not installed"; fi
  while read -r source number; do
    object=$(object_of "$source" "$number")
    objects+=("$object")
    [[ ! -f $object || ! -f $object.of || $(<"$object.of") != "$sources" ]] || continue
    while [[ $(jobs -rp | wc -l) -ge $jobs ]]; do wait -n || true; done
    compile_unit "$source" "$number" &
  done <"$build/units.txt"
  wait
  for object in "${objects[@]}"; do [[ -f $object ]] || missing=$((missing + 1)); done
  echo "compiled $(wc -l <"$build/times") of ${#objects[@]} units for sm_$arch in $((SECONDS - began)) s," \
    "$jobs in parallel; the longest:"
  sort -rn "$build/times" | head -3
  [[ $missing == 0 ]] || { echo "$missing units do not compile"; return 1; }
  local tests=() library=() layers=()
  for object in "${objects[@]}"; do
    case ${object##*/} in
      *_lm_*|examples_*|tests_gpu_models*|*device_normalizers*) layers+=("$object") ;;
      tests_*)             tests+=("$object") ;;
      bench_cuda_figures*) ;;
      *)                   library+=("$object") ;;
    esac
  done
  "$nvcc" "${tests[@]}" -o "$build/test_gpu" -Xcompiler -fopenmp || return 1
  rm -f "$build/test_transformer"
  if [[ ${#layers[@]} != 0 ]]; then
    "$nvcc" "$build/tests_support_main_-.o" "${layers[@]}" -o "$build/test_transformer" -lcublasLt -ldnnl \
      -Xcompiler -fopenmp || return 1
  fi
  "$nvcc" -shared "${library[@]}" -o "$build/libbasin_cuda.so" || return 1
  "$nvcc" "$build/bench_cuda_figures_-.o" "${library[@]}" -o "$build/figures" || return 1
}

# --- parity: kinds of tests in parallel; graphs alone, because they read how much memory is free.
run_tests() {  # LOG TAGS
  local began=$SECONDS status=0
  timeout 540 "$build/test_gpu" -x 40 "$2" >"$1" 2>&1 || status=$?
  [[ $status != 124 ]] || echo "stopped after 540 s" >>"$1"
  echo "$2: $((SECONDS - began)) s" >>"$1"
  return "$status"
}
run_parity() {
  local kind status=0 running=()
  for kind in normalizers masks shapes decode; do
    run_tests "$build/parity.$kind" "[$kind]~[reduced]" & running+=($!)
  done
  for kind in "${running[@]}"; do wait "$kind" || status=1; done
  run_tests "$build/parity.graph" "[graph]" || status=1
  if [[ -x $build/test_transformer ]]; then
    timeout 300 "$build/test_transformer" >"$build/parity.layers" 2>&1 || status=1
  fi
  for kind in normalizers masks shapes decode graph layers; do
    [[ ! -f $build/parity.$kind ]] || cat "$build/parity.$kind"
  done
  return "$status"
}

# --- figures
own_claims=(cuda_forward_bf16_d128_l8k_tflops cuda_received_attention_overhead
            cuda_training_received_attention_overhead cuda_entropy_overhead cuda_custom_normalizer_over_softmax
            cuda_decode_bandwidth_share cuda_empty_policy_registers_delta cuda_empty_policy_code_bytes_delta)
peer_claims=(cuda_vs_best_sdpa_forward_d128_l8k cuda_vs_best_sdpa_causal_d128_l8k cuda_vs_best_sdpa_full_d64_l16k
             cuda_vs_best_sdpa_full_d256_l8k cuda_vs_best_sdpa_backward_d128_l8k_full
             cuda_vs_best_sdpa_backward_d128_l8k_causal
             cuda_top_k_vs_torch_eager cuda_sparsemax_vs_torch_eager cuda_entmax15_vs_torch_eager)
run_peers() {
  local why
  if ! command -v "$python" >/dev/null; then why="there is no $python"
  elif ! "$python" -c 'import torch' 2>/dev/null; then why="$python has no torch"
  else
    timeout 420 "$python" -B bench/peers/compare_cuda.py "$build/libbasin_cuda.so"
    return
  fi
  printf "unmeasured %s: $why\n" "${peer_claims[@]}"
}
run_figures() {
  local status=0 claim
  {
    timeout 120 "$build/figures" || status=1
    run_peers || status=1
    if command -v "$python" >/dev/null; then
      "$python" -B tests/codegen/compare.py "$nvcc" "$build/codegen" -Iinclude -isystem "$cccl" || status=1
    fi
  } 2>&1 | tee "$build/figures.log"
  for claim in "${own_claims[@]}" "${peer_claims[@]}"; do
    grep -qE "^(claim $claim |unmeasured $claim: )" "$build/figures.log" ||
      { echo "unmeasured $claim: the program that prints it failed, see above"; status=1; }
  done
  return "$status"
}

# --- sanitize
find_sanitizer() {
  local place
  for place in "$(command -v compute-sanitizer || true)" "$toolkit/bin/compute-sanitizer" \
    "$toolkit/compute-sanitizer/compute-sanitizer"; do
    [[ ! -x $place ]] || { echo "$place"; return; }
  done
}
run_sanitize() {
  local sanitizer tool tools limit status=0 began
  read -ra tools <<<"${TOOLS:-memcheck racecheck synccheck}"
  limit=$((540 / ${#tools[@]}))
  sanitizer=$(find_sanitizer)
  [[ $sanitizer ]] || { echo "there is no compute-sanitizer; it comes with the CUDA Toolkit"; return 1; }
  for tool in "${tools[@]}"; do
    began=$SECONDS
    echo "compute-sanitizer $tool"
    timeout "$limit" "$sanitizer" --tool "$tool" --error-exitcode 9 --print-limit 20 "$build/test_gpu" "[reduced]" \
      >"$build/sanitize.$tool" 2>&1 ||
      { echo "$tool: failed, or took more than $limit s"; status=1; }
    tail -25 "$build/sanitize.$tool"
    echo "$tool: $((SECONDS - began)) s"
  done
  return "$status"
}

run_part() {  # NAME COMMAND
  local status=0
  wanted "$1" || return 0
  [[ $1 == build || -x $build/test_gpu ]] ||
    { echo "tests/gpu.sh: nothing is built; run tests/gpu.sh --only build first" >&2; return 1; }
  echo "--- $1"
  "$2" 2>&1 | tee "$sections/$1" || status=1
  [[ $status == 0 ]] || echo "$1: FAILED" | tee -a "$sections/$1"
  return "$status"
}

status=0
run_part build build_all || exit 1
run_part parity run_parity || status=1
run_part figures run_figures || status=1
run_part sanitize run_sanitize || status=1
echo "report: $report"
exit "$status"
