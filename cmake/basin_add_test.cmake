# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# basin_add_test(NAME unit SOURCES core/view.test.cpp ... [LIBRARIES basin::nn ...] [COMPILED_SOONER]): one test program, each of
# its test cases a CTest of its own, named NAME.<sentence> and labelled NAME. COMPILED_SOONER, at -O1: where the work is in many templates, not
# in running them, and others test the same code at -O2.

find_package(Catch2 REQUIRED)
include(Catch)

# Catch2's main function, and the header that takes longest to read, are compiled once for all test programs.
add_library(basin_test_main OBJECT support/main.cpp support/precompiled.cpp)
target_include_directories(basin_test_main PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_definitions(basin_test_main PUBLIC
  BASIN_DEFAULT_SHARED_DATA="${PROJECT_SOURCE_DIR}/../shared/data")
target_link_libraries(basin_test_main PUBLIC Catch2::Catch2 basin::basin PRIVATE basin_own)
target_precompile_headers(basin_test_main PRIVATE support/precompiled.hpp)
set_source_files_properties(support/main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS -O0)

# What is precompiled, at -O1.
add_library(basin_test_sooner OBJECT support/precompiled.cpp)
target_link_libraries(basin_test_sooner PRIVATE Catch2::Catch2 basin::basin basin_own)
target_include_directories(basin_test_sooner PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_definitions(basin_test_sooner PRIVATE BASIN_DEFAULT_SHARED_DATA="${PROJECT_SOURCE_DIR}/../shared/data")
target_precompile_headers(basin_test_sooner PRIVATE support/precompiled.hpp)
target_compile_options(basin_test_sooner PRIVATE -O1)

function(basin_add_test)
  cmake_parse_arguments(arg "COMPILED_SOONER" "NAME" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT arg_NAME OR NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "basin_add_test: needs NAME and SOURCES, and takes LIBRARIES; got '${ARGN}'")
  endif()
  # CMake lists hold the names on their way to CTest: brackets and semicolons glue one test to the next.
  foreach(source IN LISTS arg_SOURCES)
    file(STRINGS "${source}" bad REGEX "TEST_CASE(_METHOD)?\\(\"[^\"]*[][;\\\\]")
    if(NOT bad STREQUAL "")
      message(FATAL_ERROR "basin_add_test: ${source}: a test's name may hold no '[', ']', ';' or '\\':\n${bad}")
    endif()
  endforeach()
  set(target test_${arg_NAME})
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE basin_test_main basin_own ${arg_LIBRARIES})
  if(arg_COMPILED_SOONER)
    target_compile_options(${target} PRIVATE -O1)
    target_precompile_headers(${target} REUSE_FROM basin_test_sooner)
  else()
    target_precompile_headers(${target} REUSE_FROM basin_test_main)
  endif()
  catch_discover_tests(${target} TEST_PREFIX "${arg_NAME}."
    PROPERTIES SKIP_RETURN_CODE 4 LABELS "${arg_NAME}" TIMEOUT 600)
endfunction()
