# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# What only basin's own executables are compiled with; nothing of it reaches a consumer.

include(CheckCXXCompilerFlag)

add_library(basin_own INTERFACE)
target_compile_options(basin_own INTERFACE -Wall -Wextra)
# GCC 12's own AVX-512 header warns of itself (GCC bug 105593).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(basin_own INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
# Nothing that a compilation of templates allocates is worth collecting before it ends: a sixth of the time, for up to 1 GiB a compiler.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(basin_own INTERFACE "SHELL:--param ggc-min-heapsize=1000000")
endif()
if(BASIN_NATIVE)
  check_cxx_compiler_flag(-march=native basin_has_march_native)
  if(basin_has_march_native)
    target_compile_options(basin_own INTERFACE -march=native)
  endif()
endif()

# The unit of a program that --device cuda leads to: on_cuda.cpp where there is an engine of the GPU, else without_cuda.cpp.
function(basin_add_device_unit program)
  if(TARGET basin_cuda_engine)
    target_sources(${program} PRIVATE on_cuda.cpp)
    target_link_libraries(${program} PRIVATE basin_cuda_engine)
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
