# Installs the library for find_package(kappa). Headers go to include/kappa-<major>.<minor>/.
include(CMakePackageConfigHelpers)
set(KAPPA_HEADERS ${CMAKE_INSTALL_INCLUDEDIR}/kappa-${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(KAPPA_CONFIG ${CMAKE_INSTALL_LIBDIR}/cmake/kappa)

install(TARGETS kappa_core kappa_solvers kappa_problems kappa EXPORT kappa-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET kappa_plugins)  # found by find_package(kappa COMPONENTS plugins)
  install(TARGETS kappa_plugins EXPORT kappa-plugins-targets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT kappa-plugins-targets NAMESPACE kappa:: DESTINATION ${KAPPA_CONFIG})
endif()
if(TARGET kappa_ceres)  # found by find_package(kappa COMPONENTS ceres)
  install(TARGETS kappa_ceres EXPORT kappa-ceres-targets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT kappa-ceres-targets NAMESPACE kappa:: DESTINATION ${KAPPA_CONFIG})
endif()
if(TARGET kappa_cholmod)  # found by find_package(kappa COMPONENTS cholmod)
  install(TARGETS kappa_cholmod EXPORT kappa-cholmod-targets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT kappa-cholmod-targets NAMESPACE kappa:: DESTINATION ${KAPPA_CONFIG})
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/FindCHOLMOD.cmake DESTINATION ${KAPPA_CONFIG})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/kappa DESTINATION ${KAPPA_HEADERS})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/problems DESTINATION ${KAPPA_HEADERS} FILES_MATCHING PATTERN "*.h")
install(EXPORT kappa-targets NAMESPACE kappa:: DESTINATION ${KAPPA_CONFIG})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/kappa-config.cmake.in ${PROJECT_BINARY_DIR}/kappa-config.cmake
                              INSTALL_DESTINATION ${KAPPA_CONFIG})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/kappa-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/kappa-config.cmake ${PROJECT_BINARY_DIR}/kappa-config-version.cmake
        DESTINATION ${KAPPA_CONFIG})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET kappa_cli)
  install(TARGETS kappa_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET kappa-bench)
  install(TARGETS kappa-bench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
