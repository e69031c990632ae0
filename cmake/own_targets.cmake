# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Compile options of basin's own executables; consumers do not get them.

include(CheckCXXCompilerFlag)

add_library(basin_own INTERFACE)
target_compile_options(basin_own INTERFACE -Wall -Wextra)
# GCC 12's own AVX-512 header causes these warnings (GCC bug 105593).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(basin_own INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
# Template-heavy units free little memory before they end. Without garbage collection they compile in a sixth less time,
# for up to 1 GiB per compiler process.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(basin_own INTERFACE "SHELL:--param ggc-min-heapsize=1000000")
endif()
set(basin_march_native native)
set(basin_march_sse2 x86-64)
set(basin_march_avx2 x86-64-v3)
set(basin_march_avx512 x86-64-v4)
if(NOT DEFINED basin_march_${BASIN_ISA})
  message(FATAL_ERROR "basin: BASIN_ISA is '${BASIN_ISA}'; it must be native, sse2, avx2 or avx512")
endif()
check_cxx_compiler_flag(-march=${basin_march_${BASIN_ISA}} basin_has_march_${BASIN_ISA})
if(basin_has_march_${BASIN_ISA})
  target_compile_options(basin_own INTERFACE -march=${basin_march_${BASIN_ISA}})
elseif(NOT BASIN_ISA STREQUAL native)
  message(FATAL_ERROR "basin: BASIN_ISA is '${BASIN_ISA}', but ${CMAKE_CXX_COMPILER} has no "
    "-march=${basin_march_${BASIN_ISA}}")
endif()

# Adds the unit behind a program's --device cuda: on_cuda.cpp if there is a GPU engine, else without_cuda.cpp.
function(basin_add_device_unit program)
  if(TARGET basin_cuda_programs)
    target_sources(${program} PRIVATE on_cuda.cpp)
    target_link_libraries(${program} PRIVATE basin_cuda_programs)
  else()
    target_sources(${program} PRIVATE without_cuda.cpp)
  endif()
endfunction()

# A program of this repository: basin_add_program(NAME study SOURCES main.cpp ... [LIBRARIES basin::nn ...]).
function(basin_add_program)
  cmake_parse_arguments(arg "" "NAME" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT arg_NAME OR NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "basin_add_program: needs NAME and SOURCES, and takes LIBRARIES; got '${ARGN}'")
  endif()
  if(NOT arg_LIBRARIES)
    set(arg_LIBRARIES basin::basin)
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_link_libraries(${arg_NAME} PRIVATE basin_own ${arg_LIBRARIES})
endfunction()
