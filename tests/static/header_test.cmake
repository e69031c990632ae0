# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# basin_add_header_test(NAME headers HEADERS include/basin/... LIBRARIES basin::basin ...)
#
# static_NAME has all headers in one unit, and in the opposite order in another: a missing `inline` defines something
# twice. static_NAME_alone has every header first and alone in a unit: this catches missing includes. The second takes
# seconds a header, so it is no part of the default build. Nothing is precompiled, and the optimiser is off to save time.

function(basin_add_header_test)
  cmake_parse_arguments(arg "" "NAME" "HEADERS;LIBRARIES" ${ARGN})
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}")
  set(units "")
  set(forwards "")
  set(backwards "")
  foreach(header IN LISTS arg_HEADERS)
    string(REGEX REPLACE "^include/" "" spelled "${header}")
    string(MAKE_C_IDENTIFIER "${spelled}" identifier)
    file(CONFIGURE OUTPUT "${folder}/${identifier}.cpp" CONTENT "#include \"${spelled}\"\n")
    list(APPEND units "${folder}/${identifier}.cpp")
    string(APPEND forwards "#include \"${spelled}\"\n")
    string(PREPEND backwards "#include \"${spelled}\"\n")
  endforeach()
  file(CONFIGURE OUTPUT "${folder}/all_forwards.cpp" CONTENT "${forwards}")
  file(CONFIGURE OUTPUT "${folder}/all_backwards.cpp" CONTENT "${backwards}int main() {}\n")
  add_executable(static_${arg_NAME} "${folder}/all_forwards.cpp" "${folder}/all_backwards.cpp")
  add_library(static_${arg_NAME}_alone OBJECT EXCLUDE_FROM_ALL ${units})
  foreach(target static_${arg_NAME} static_${arg_NAME}_alone)
    target_link_libraries(${target} PRIVATE ${arg_LIBRARIES})
    target_compile_options(${target} PRIVATE -O0 -g0 -Werror=shadow)
  endforeach()
endfunction()
