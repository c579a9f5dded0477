// A fuzz target: a reader that must answer any input with a result or a kappa::Error.
//
// Each *_fuzz.cpp defines the two functions below. Linked with driver.cpp it is a program that mutates the
// seeds itself, whatever the compiler; linked with -fsanitize=fuzzer (CMake: -DKAPPA_LIBFUZZER=ON with Clang)
// it is guided by coverage.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Runs one input. Whatever it throws, and every failed check, is a failure.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// Valid inputs to begin with.
std::vector<std::string> fuzz_seeds();

/// Set by a target where the input was valid.
inline bool fuzz_accepted = false;

/// Throws what ends the program where a result is not what it must be.
inline void fuzz_check(bool holds, const std::string& what) {
  if (!holds) {
    throw std::logic_error(what);
  }
}

/// A file that only this process uses.
inline std::string fuzz_scratch() {
  static const std::string path =
      (std::filesystem::temp_directory_path() / ("kappa-fuzz-" + std::to_string(getpid()))).string();
  return path;
}

/// Messages begin with the name of the input and are one short line, whatever the input was.
inline void fuzz_check_message(std::string_view said, std::string_view name) {
  const bool printable = said.find_first_of(std::string_view("\n\r\0\x1b", 4)) == std::string_view::npos;
  fuzz_check(said.starts_with(name) && printable && said.size() < 500 + name.size(),
             "not an error of one line that names its place: " + std::string(said));
}
