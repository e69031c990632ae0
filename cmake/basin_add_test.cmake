# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# basin_add_test(NAME unit SOURCES core/view.test.cpp ... [LIBRARIES basin::nn ...] [AS_RELEASED | SANITIZED] [SLOW]):
# one test program. Each of its test cases becomes a CTest, named NAME.<sentence> and labelled NAME, or slow. By
# default, tests are compiled as the preset says, at -Og to save time. AS_RELEASED compiles at -O2: engines and SIMD
# code as users get them. SANITIZED uses AddressSanitizer in every run, if the compiler has it.

find_package(Catch2 REQUIRED)
include(Catch)

# Catch2's main function and the header that compiles slowest are compiled once for all test programs.
add_library(basin_test_main OBJECT support/main.cpp support/precompiled.cpp)
target_include_directories(basin_test_main PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_definitions(basin_test_main PUBLIC
  BASIN_DEFAULT_SHARED_DATA="${PROJECT_SOURCE_DIR}/../shared/data")
target_link_libraries(basin_test_main PUBLIC Catch2::Catch2 basin::basin PRIVATE basin_own)
target_precompile_headers(basin_test_main PRIVATE support/precompiled.hpp)
set_source_files_properties(support/main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS -O0)

# The same precompiled header at -O2.
add_library(basin_test_released OBJECT support/precompiled.cpp)
target_link_libraries(basin_test_released PRIVATE Catch2::Catch2 basin::basin basin_own)
target_include_directories(basin_test_released PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_definitions(basin_test_released PRIVATE
  BASIN_DEFAULT_SHARED_DATA="${PROJECT_SOURCE_DIR}/../shared/data")
target_precompile_headers(basin_test_released PRIVATE support/precompiled.hpp)
target_compile_options(basin_test_released PRIVATE -O2)

include(CMakePushCheckState)
include(CheckCXXSourceCompiles)
cmake_push_check_state()
list(APPEND CMAKE_REQUIRED_FLAGS -fsanitize=address)
check_cxx_source_compiles("int main() {}" basin_has_address_sanitizer)
cmake_pop_check_state()

function(basin_add_test)
  cmake_parse_arguments(arg "AS_RELEASED;SANITIZED;SLOW" "NAME" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT arg_NAME OR NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "basin_add_test: needs NAME and SOURCES, and takes LIBRARIES; got '${ARGN}'")
  endif()
  # Names of tests pass through CMake lists on their way to CTest; brackets and semicolons would join two tests.
  foreach(source IN LISTS arg_SOURCES)
    file(STRINGS "${source}" bad REGEX "TEST_CASE(_METHOD)?\\(\"[^\"]*[][;\\\\]")
    if(NOT bad STREQUAL "")
      message(FATAL_ERROR
        "basin_add_test: ${source}: the name of a test must not contain '[', ']', ';' or '\\':\n${bad}")
    endif()
  endforeach()
  set(target test_${arg_NAME})
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE basin_test_main basin_own ${arg_LIBRARIES})
  if(arg_SANITIZED AND basin_has_address_sanitizer AND NOT CMAKE_CXX_FLAGS_DEBUG MATCHES "-fsanitize")
    target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests/support/sanitizer.cpp")
    target_compile_options(${target} PRIVATE -O0 -fsanitize=address)  # -O1 would double the compile time
    target_link_options(${target} PRIVATE -fsanitize=address)
    target_precompile_headers(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests/support/precompiled.hpp")
  elseif(arg_AS_RELEASED AND NOT CMAKE_CXX_FLAGS_DEBUG MATCHES "-fsanitize")
    target_compile_options(${target} PRIVATE -O2)
    target_precompile_headers(${target} REUSE_FROM basin_test_released)
  else()
    target_precompile_headers(${target} REUSE_FROM basin_test_main)
  endif()
  set(label "${arg_NAME}")
  if(arg_SLOW)
    set(label slow)
  endif()
  catch_discover_tests(${target} TEST_PREFIX "${arg_NAME}."
    PROPERTIES SKIP_RETURN_CODE 4 LABELS "${label}" TIMEOUT 600)
endfunction()

# basin_header_flags(flags): the flags with which a test compiles the headers by a command of its own. Folders that the
# compiler searches by default must keep their place in its search order.
function(basin_header_flags result)
  set(flags "-I${PROJECT_SOURCE_DIR}/include")
  foreach(library basin::cccl basin::xsimd)
    get_target_property(folders ${library} INTERFACE_INCLUDE_DIRECTORIES)
    list(REMOVE_ITEM folders ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
    foreach(folder IN LISTS folders)
      list(APPEND flags "-isystem${folder}")
    endforeach()
  endforeach()
  set(${result} ${flags} PARENT_SCOPE)
endfunction()
