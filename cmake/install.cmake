# What `cmake --install` puts down: the library, its public headers, and what find_package(lockflight) reads.
include(CMakePackageConfigHelpers)

set(lockflight_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lockflight)

install(TARGETS lockflight EXPORT lockflight FILE_SET HEADERS)
install(EXPORT lockflight NAMESPACE lockflight:: FILE lockflightTargets.cmake DESTINATION ${lockflight_package_dir})

configure_package_config_file(cmake/lockflightConfig.cmake.in lockflightConfig.cmake
                              INSTALL_DESTINATION ${lockflight_package_dir})
write_basic_package_version_file(lockflightConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lockflightConfig.cmake ${PROJECT_BINARY_DIR}/lockflightConfigVersion.cmake
        DESTINATION ${lockflight_package_dir})
if(LOCKFLIGHT_CUDA)
  install(FILES cmake/FindNCCL.cmake DESTINATION ${lockflight_package_dir})
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(LOCKFLIGHT_TOOLS)
  install(TARGETS lockflight_command)
endif()
