# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Finds the dependencies of basin and wraps each in an imported target: basin::cccl, basin::xsimd, basin::onednn,
# basin::pcre2, basin::utf8proc, basin::cublaslt. Both the build and find_package(basin) use this file; it is
# installed beside the package file. Imported include folders are system folders, so they cause no warnings in a
# consumer's build.

include_guard(GLOBAL)

set(basin_cccl_minimum 3.0)

# The version of the CCCL headers in a folder; empty if there are none.
function(basin_cccl_version folder out)
  set(${out} "" PARENT_SCOPE)
  set(file "${folder}/cuda/std/__cccl/version.h")
  if(EXISTS "${file}" AND EXISTS "${folder}/cuda/std/mdspan")
    file(STRINGS "${file}" line REGEX "^#define CCCL_VERSION [0-9]+")
    if(line MATCHES "CCCL_VERSION ([0-9]+)")
      math(EXPR major "${CMAKE_MATCH_1} / 1000000")
      math(EXPR minor "${CMAKE_MATCH_1} / 1000 % 1000")
      set(${out} "${major}.${minor}" PARENT_SCOPE)
    endif()
  endif()
endfunction()

# Where the CUDA Toolkit may be: named by the user, around nvcc, in the usual place.
function(basin_cuda_roots out)
  set(roots $ENV{CUDA_PATH} $ENV{CUDA_HOME})
  find_program(BASIN_NVCC nvcc PATHS /usr/local/cuda/bin DOC "nvcc, where there is a CUDA Toolkit")
  mark_as_advanced(BASIN_NVCC)
  if(BASIN_NVCC)
    cmake_path(GET BASIN_NVCC PARENT_PATH folder)
    cmake_path(GET folder PARENT_PATH root)
    list(APPEND roots "${root}")
  endif()
  set(${out} ${roots} /usr/local/cuda PARENT_SCOPE)
endfunction()

function(basin_find_nvcc out)
  basin_cuda_roots(ignored)
  set(${out} "${BASIN_NVCC}" PARENT_SCOPE)
endfunction()

# basin::cccl: from BASIN_CCCL_DIR, else the CUDA Toolkit, else the wheel that cmake/setup.sh unpacked, else the copy
# that was installed with basin.
function(basin_find_cccl)
  if(TARGET basin::cccl)
    return()
  endif()
  set(BASIN_CCCL_DIR "" CACHE PATH "Folder that holds cuda/std/mdspan; empty: look for it")
  set(looked_in "")
  if(BASIN_CCCL_DIR)
    list(APPEND looked_in "${BASIN_CCCL_DIR}")
  else()
    basin_cuda_roots(roots)
    foreach(root IN LISTS roots)
      list(APPEND looked_in "${root}/include/cccl" "${root}/include")
    endforeach()
    list(APPEND looked_in "${CMAKE_BINARY_DIR}/_deps/cccl" "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../build/_deps/cccl"
      "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/cccl")
  endif()
  foreach(folder IN LISTS looked_in)
    basin_cccl_version("${folder}" version)
    if(version AND version VERSION_GREATER_EQUAL basin_cccl_minimum)
      cmake_path(NORMAL_PATH folder)
      add_library(basin::cccl INTERFACE IMPORTED GLOBAL)
      target_include_directories(basin::cccl INTERFACE "${folder}")
      message(STATUS "basin: CCCL ${version} in ${folder}")
      return()
    endif()
  endforeach()
  list(JOIN looked_in "\n  " places)
  message(FATAL_ERROR "basin: needs the headers of CCCL >= ${basin_cccl_minimum} and found none; run cmake/setup.sh, "
    "or pass -D BASIN_CCCL_DIR=<folder that holds cuda/std/mdspan>. Looked in:\n  ${places}")
endfunction()

# basin::xsimd: the headers only. Debian's package file requires a library (xtl) that the package does not contain.
function(basin_find_xsimd)
  if(TARGET basin::xsimd)
    return()
  endif()
  find_path(BASIN_XSIMD_INCLUDE_DIR xsimd/xsimd.hpp DOC "Folder that holds xsimd/xsimd.hpp" REQUIRED)
  mark_as_advanced(BASIN_XSIMD_INCLUDE_DIR)
  add_library(basin::xsimd INTERFACE IMPORTED GLOBAL)
  target_include_directories(basin::xsimd INTERFACE "${BASIN_XSIMD_INCLUDE_DIR}")
endfunction()

# basin::NAME, if it is installed: one header and one library, which TITLE names in the cache.
function(basin_find_library_by_header name title header library)
  if(TARGET basin::${name})
    return()
  endif()
  string(TOUPPER "BASIN_${name}" variable)
  find_path(${variable}_INCLUDE_DIR ${header} DOC "Folder that holds ${header}")
  find_library(${variable}_LIBRARY ${library} DOC "${title}'s library")
  mark_as_advanced(${variable}_INCLUDE_DIR ${variable}_LIBRARY)
  if(${variable}_INCLUDE_DIR AND ${variable}_LIBRARY)
    add_library(basin::${name} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(basin::${name} PROPERTIES IMPORTED_LOCATION "${${variable}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${${variable}_INCLUDE_DIR}")
  endif()
endfunction()

# Debian's package file of oneDNN requires OpenCL's headers, which the CPU path does not need.
function(basin_find_onednn)
  basin_find_library_by_header(onednn oneDNN oneapi/dnnl/dnnl.hpp dnnl)
endfunction()
# The library for 8-bit code units.
function(basin_find_pcre2)
  basin_find_library_by_header(pcre2 PCRE2 pcre2.h pcre2-8)
endfunction()
function(basin_find_utf8proc)
  basin_find_library_by_header(utf8proc utf8proc utf8proc.h utf8proc)
endfunction()

# basin::cublaslt, if the CUDA Toolkit has it: cuBLASLt and the CUDA runtime that it needs.
function(basin_find_cublaslt)
  if(TARGET basin::cublaslt)
    return()
  endif()
  basin_cuda_roots(roots)
  find_path(BASIN_CUBLASLT_INCLUDE_DIR cublasLt.h PATHS ${roots} PATH_SUFFIXES include
    DOC "Folder that holds cublasLt.h")
  find_library(BASIN_CUBLASLT_LIBRARY cublasLt PATHS ${roots} PATH_SUFFIXES lib64 lib DOC "cuBLASLt's library")
  find_library(BASIN_CUDART_LIBRARY cudart PATHS ${roots} PATH_SUFFIXES lib64 lib DOC "The library of the CUDA runtime")
  mark_as_advanced(BASIN_CUBLASLT_INCLUDE_DIR BASIN_CUBLASLT_LIBRARY BASIN_CUDART_LIBRARY)
  if(BASIN_CUBLASLT_INCLUDE_DIR AND BASIN_CUBLASLT_LIBRARY AND BASIN_CUDART_LIBRARY)
    add_library(basin::cublaslt UNKNOWN IMPORTED GLOBAL)
    set_target_properties(basin::cublaslt PROPERTIES IMPORTED_LOCATION "${BASIN_CUBLASLT_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${BASIN_CUBLASLT_INCLUDE_DIR}" INTERFACE_LINK_LIBRARIES "${BASIN_CUDART_LIBRARY}")
  endif()
endfunction()
