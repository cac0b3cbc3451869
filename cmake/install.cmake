# What a user of the library gets: headers, the library under its SONAME, a
# pkg-config file, a CMake package and the man pages.

if(NOT TARGET tdpsim)
    return()
endif()
include(CMakePackageConfigHelpers)
set(tdpsim_cmakedir ${CMAKE_INSTALL_LIBDIR}/cmake/tdpsim)

install(DIRECTORY include/tdpsim ${PROJECT_BINARY_DIR}/include/tdpsim
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
install(TARGETS tdpsim tdpsim-virtual EXPORT tdpsim)
install(EXPORT tdpsim NAMESPACE tdpsim:: FILE tdpsim-targets.cmake
    DESTINATION ${tdpsim_cmakedir})

configure_package_config_file(cmake/tdpsim-config.cmake.in tdpsim-config.cmake
    INSTALL_DESTINATION ${tdpsim_cmakedir})
# Before 1.0 a minor release may change the interface.
write_basic_package_version_file(tdpsim-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tdpsim-config.cmake
    ${PROJECT_BINARY_DIR}/tdpsim-config-version.cmake DESTINATION ${tdpsim_cmakedir})

# The file says where it lies, so that the tree may be moved after the install.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
    BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE tdpsim_pc_prefix)
configure_file(cmake/tdpsim.pc.in tdpsim.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tdpsim.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

foreach(section 1 3 7)
    file(GLOB pages CONFIGURE_DEPENDS docs/man/*.${section})
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
