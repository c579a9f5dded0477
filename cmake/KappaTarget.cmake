# kappa_options(target [PORTABLE]): language level, warnings and sanitizers of everything built here. Portable:
# without the vector flags of KAPPA_NATIVE.
function(kappa_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
  if(KAPPA_TOP_LEVEL AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 takes std::string concatenations for overlapping copies (GCC bugs 105329 and 105651).
    target_compile_options(${target} PRIVATE -Werror -Wno-restrict)
  endif()
  if(KAPPA_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${KAPPA_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${KAPPA_SANITIZE})
    if(KAPPA_SANITIZE MATCHES "undefined")
      target_compile_options(${target} PRIVATE -fno-sanitize-recover=undefined)
      if(KAPPA_SANITIZE MATCHES "address")
        # AddressSanitizer sees what it sees, and it takes a fifth of the time to compile.
        target_compile_options(${target} PRIVATE -fno-sanitize=object-size)
      endif()
    endif()
  endif()
  if(KAPPA_NATIVE AND NOT "PORTABLE" IN_LIST ARGN)
    # GCC 12 warns inside its own AVX-512 headers (GCC bug 105593).
    target_compile_options(${target} PRIVATE -march=native -Wno-maybe-uninitialized -Wno-uninitialized)
  endif()
endfunction()

# Headers of others that nearly every file includes, in one way or another. None of kappa's own: a change of one
# would compile everything again.
set(KAPPA_STANDARD_HEADERS <algorithm> <array> <atomic> <charconv> <cmath> <cstdint> <cstdio> <cstring> <filesystem>
    <functional> <limits> <memory> <mutex> <numbers> <numeric> <optional> <random> <span> <string> <string_view>
    <tbb/blocked_range.h> <tbb/parallel_for.h> <utility> <vector>)

# kappa_precompile(target headers...): compiles these headers once for the target. kappa_precompile(target LIKE
# other): uses what was compiled for another target of the same flags. Nothing without KAPPA_PRECOMPILE: each file
# includes what it uses.
function(kappa_precompile target)
  if(NOT KAPPA_PRECOMPILE)
    return()
  endif()
  if(ARGV1 STREQUAL "LIKE")
    target_precompile_headers(${target} REUSE_FROM ${ARGV2})
  else()
    target_precompile_headers(${target} PRIVATE ${ARGN})
  endif()
endfunction()

# kappa_library(name sources...): the target kappa_<name>, alias kappa::<name>.
function(kappa_library name)
  set(target kappa_${name})
  add_library(${target} ${ARGN})
  add_library(kappa::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} VERSION ${PROJECT_VERSION}
                        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  kappa_options(${target})
  # -fno-math-errno and -fno-trapping-math let loops with sqrt and comparisons vectorise; neither changes a
  # result.
  target_compile_options(${target} PRIVATE -fno-math-errno -fno-trapping-math)
  target_include_directories(
    ${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                     $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/kappa-${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}>)
  # Eigen is an implementation detail, and its inline functions differ with the vector flags they are
  # compiled with. Under a namespace of our own the linker can never mix them with those of a user's program.
  target_compile_definitions(${target} PRIVATE Eigen=kappa_eigen EIGEN_NO_DEBUG EIGEN_DONT_PARALLELIZE)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:Eigen3::Eigen> PUBLIC TBB::tbb Threads::Threads)
  if(name STREQUAL "core")
    kappa_precompile(${target} ${KAPPA_STANDARD_HEADERS} <Eigen/Dense>)
  else()
    kappa_precompile(${target} LIKE kappa_core)
  endif()
endfunction()

# kappa_program(name sources...): a program in bin/.
function(kappa_program name)
  add_executable(${name} ${ARGN})
  kappa_options(${name})
endfunction()
