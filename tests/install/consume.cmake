# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# cmake -D WAY=installed|subdirectory -D BUILD=<basin's build> -D SOURCE=<basin> -D SCRATCH=<folder> -D COMPILER=<c++>
#   [-D FLAGS=...] [-D CCCL=<folder>] -P consume.cmake
# Configures, builds and runs the consumer project, starting from an empty folder.

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
set(configure "${CMAKE_COMMAND}" -G Ninja -S "${CMAKE_CURRENT_LIST_DIR}/consumer" -B "${SCRATCH}/build"
  -D "CMAKE_CXX_COMPILER=${COMPILER}" -D "CMAKE_CXX_FLAGS=${FLAGS}")

if(WAY STREQUAL installed)
  run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${SCRATCH}/prefix")
  run(${configure} -D "CMAKE_PREFIX_PATH=${SCRATCH}/prefix")
elseif(WAY STREQUAL subdirectory)
  run(${configure} -D "BASIN_SOURCE=${SOURCE}" -D "BASIN_CCCL_DIR=${CCCL}")
else()
  message(FATAL_ERROR "WAY is 'installed' or 'subdirectory', not '${WAY}'")
endif()
run("${CMAKE_COMMAND}" --build "${SCRATCH}/build")
run("${SCRATCH}/build/consumer")
if(EXISTS "${SCRATCH}/build/consumer_nn")
  run("${SCRATCH}/build/consumer_nn")
endif()
