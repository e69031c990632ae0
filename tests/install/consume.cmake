# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# cmake -D WAY=installed|subdirectory -D BUILD=<basin's build> -D SOURCE=<basin> -D SCRATCH=<folder> -D COMPILER=<c++>
#   [-D FLAGS=...] [-D CCCL=<folder>] -P consume.cmake
# Configures, builds and runs the consumer project, starting from an empty folder.

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
set(configure "${CMAKE_COMMAND}" -G Ninja -S "${CMAKE_CURRENT_LIST_DIR}/consumer" -B "${SCRATCH}/build"
  -D "CMAKE_CXX_COMPILER=${COMPILER}" -D "CMAKE_CXX_FLAGS=${FLAGS}"
  -D "EXAMPLE=${SOURCE}/examples/09_your_own_transformer.cpp")

if(WAY STREQUAL installed)
  # The prefix is moved after the installation: nothing in it may name where it was.
  run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${SCRATCH}/prefix")
  file(RENAME "${SCRATCH}/prefix" "${SCRATCH}/moved")
  run(${configure} -D "CMAKE_PREFIX_PATH=${SCRATCH}/moved")
elseif(WAY STREQUAL subdirectory)
  run(${configure} -D "BASIN_SOURCE=${SOURCE}" -D "BASIN_CCCL_DIR=${CCCL}")
else()
  message(FATAL_ERROR "WAY is 'installed' or 'subdirectory', not '${WAY}'")
endif()
run("${CMAKE_COMMAND}" --build "${SCRATCH}/build")
run("${SCRATCH}/build/consumer")
foreach(program consumer_nn consumer_lm consumer_lm_tokenizers)
  if(EXISTS "${SCRATCH}/build/${program}")
    run("${SCRATCH}/build/${program}")
  endif()
endforeach()
