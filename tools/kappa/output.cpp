#include "output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace kappa::cli {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void cannot_write(const std::string& option, const std::string& path, const std::string& why) {
  throw Error(option + " " + path + ": cannot be written: " + why);
}

void write_vector(ConstVectorRef x, const std::string& path) {
  const std::string unfinished = path + "." + std::to_string(getpid()) + ".part";
  std::FILE* file = std::fopen(unfinished.c_str(), "w");
  if (file == nullptr) {
    cannot_write("--output", path, std::strerror(errno));
  }
  for (const double entry : x) {
    std::fprintf(file, "%.17g\n", entry);
  }
  const bool complete = std::ferror(file) == 0;
  if ((std::fclose(file) == 0 && complete) && std::rename(unfinished.c_str(), path.c_str()) == 0) {
    return;
  }
  const std::string why = std::strerror(errno);
  std::remove(unfinished.c_str());
  cannot_write("--output", path, why);
}

}  // namespace

void check_writable(const std::string& option, const std::string& path) {
  std::error_code unknown;
  const fs::file_status status = fs::status(path, unknown);
  if (fs::is_directory(status)) {
    cannot_write(option, path, "it is a folder; name a file in it");
  }
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    cannot_write(option, path, "it is not a regular file");
  }
  fs::path folder = fs::path(path).parent_path();
  folder = folder.empty() ? "." : folder;
  if (!fs::is_directory(folder, unknown)) {
    cannot_write(option, path, "there is no folder " + folder.string());
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    cannot_write(option, path, "folder " + folder.string() + ": " + std::strerror(errno));
  }
}

void write_solution(const Target& target, ConstVectorRef x, const std::string& path) {
  if (target.write) {
    target.write(x, path);
  } else {
    write_vector(x, path);
  }
}

}  // namespace kappa::cli
