# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# basin_add_header_test(NAME headers HEADERS include/basin/... LIBRARIES basin::basin ...)
#
# Every header stands first and alone in one unit and last among all in another, both in one program: this catches
# missing includes and missing `inline`. Nothing is precompiled here, and the optimiser is off to save time.

function(basin_add_header_test)
  cmake_parse_arguments(arg "" "NAME" "HEADERS;LIBRARIES" ${ARGN})
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${arg_NAME}")
  set(units "")
  set(all "")
  foreach(header IN LISTS arg_HEADERS)
    string(REGEX REPLACE "^include/" "" spelled "${header}")
    string(MAKE_C_IDENTIFIER "${spelled}" identifier)
    file(CONFIGURE OUTPUT "${folder}/${identifier}.cpp" CONTENT "#include \"${spelled}\"\n")
    list(APPEND units "${folder}/${identifier}.cpp")
    string(PREPEND all "#include \"${spelled}\"\n")
  endforeach()
  file(CONFIGURE OUTPUT "${folder}/all_backwards.cpp" CONTENT "${all}int main() {}\n")
  add_executable(static_${arg_NAME} ${units} "${folder}/all_backwards.cpp")
  target_link_libraries(static_${arg_NAME} PRIVATE ${arg_LIBRARIES})
  target_compile_options(static_${arg_NAME} PRIVATE -O0 -g0)
endfunction()
