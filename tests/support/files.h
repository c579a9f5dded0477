// Files and messages of tests.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "kappa/base.h"
#include "support/catch.h"

namespace kappa::test {

/// A folder of its own for each test, gone at its end.
class Folder {
 public:
  Folder() {
    std::random_device device;
    path_ = std::filesystem::temp_directory_path() / ("kappa-test-" + std::to_string(device()));
    std::filesystem::create_directory(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string with(const std::string& name, const std::string& content) const {
    std::ofstream(*this / name, std::ios::binary) << content;
    return *this / name;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

inline std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What the Error says that `action` throws.
template <class Action>
std::string message(const Action& action) {
  try {
    action();
  } catch (const kappa::Error& error) {
    return error.what();
  }
  return "no error";
}

inline void check_says(const std::string& said, const std::vector<std::string>& pieces) {
  for (const std::string& piece : pieces) {
    INFO(said << "\n  should contain: " << piece);
    CHECK(said.find(piece) != std::string::npos);
  }
}

}  // namespace kappa::test
