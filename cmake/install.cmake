# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# cmake --install, and the package that find_package(basin) reads.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(basin_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/basin")

set(basin_targets basin)
foreach(target basin_nn basin_lm basin_lm_tokenizers basin_cuda basin_nn_cuda)
  if(TARGET ${target})
    list(APPEND basin_targets ${target})
  endif()
endforeach()

install(TARGETS ${basin_targets} EXPORT basin_targets FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT basin_targets NAMESPACE basin:: FILE basin-targets.cmake DESTINATION "${basin_package_dir}")

configure_package_config_file(cmake/basin-config.cmake.in "${PROJECT_BINARY_DIR}/basin-config.cmake"
  INSTALL_DESTINATION "${basin_package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/basin-config-version.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/basin-config.cmake" "${PROJECT_BINARY_DIR}/basin-config-version.cmake"
  cmake/basin_dependencies.cmake DESTINATION "${basin_package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/basin")

# CCCL headers that setup.sh downloaded into the build folder are copied, so that the package outlives that folder.
get_target_property(basin_cccl_folder basin::cccl INTERFACE_INCLUDE_DIRECTORIES)
if(basin_cccl_folder MATCHES "/_deps/cccl/?$")
  install(DIRECTORY "${basin_cccl_folder}/" DESTINATION "${basin_package_dir}/cccl")
endif()
