#include "plugins/host/library.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "kappa/base.h"

namespace kappa::detail {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error("plugin " + path + ": " + why);
}

void refuse_writable(const std::string& path, const std::string& what, const std::string& thing) {
  struct stat status {};
  if (stat(thing.c_str(), &status) != 0) {
    refuse(path, std::string("cannot be looked at: ") + std::strerror(errno));
  }
  if ((status.st_mode & S_IWOTH) != 0) {
    refuse(path, what +
                     " may be written by everybody, so that anybody could change what is run; take the right "
                     "away (chmod o-w " +
                     thing + ")");
  }
}

/// The machine that this host was compiled for.
constexpr Elf64_Half machine =
#if defined(__x86_64__)
    EM_X86_64;
#elif defined(__aarch64__)
    EM_AARCH64;
#else
    EM_NONE;
#endif

/// A file that ends before its segments or its section headers do would be mapped beyond its end.
void check_elf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    refuse(path, "cannot be read");
  }
  const auto size = std::filesystem::file_size(path);
  Elf64_Ehdr header{};
  if (size < sizeof header || !file.read(reinterpret_cast<char*>(&header), sizeof header) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    refuse(path, "is not a shared library (no ELF file); give the .so that the plugin's build made");
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN ||
      (machine != EM_NONE && header.e_machine != machine)) {
    refuse(path, "is not a 64-bit shared library for this machine; build the plugin here");
  }
  const auto inside = [size](std::uint64_t begin, std::uint64_t length) {
    return begin <= size && length <= size - begin;
  };
  bool whole =
      header.e_phentsize == sizeof(Elf64_Phdr) && header.e_phnum > 0 &&
      inside(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr)) &&
      (header.e_shoff == 0 || inside(header.e_shoff, std::uint64_t{header.e_shnum} * header.e_shentsize));
  file.seekg(static_cast<std::streamoff>(header.e_phoff));
  for (int i = 0; whole && i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    file.read(reinterpret_cast<char*>(&segment), sizeof segment);
    whole = static_cast<bool>(file) && inside(segment.p_offset, segment.p_filesz);
  }
  if (!whole) {
    refuse(path, "is cut short: it ends before its own segments do; copy or build it again");
  }
}

}  // namespace

void check_library(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(path, failed)) {
    refuse(path, std::filesystem::exists(path, failed) ? "is not a file" : "does not exist");
  }
  refuse_writable(path, "the file", path);
  refuse_writable(path, "its folder", std::filesystem::path(path).parent_path().string());
  check_elf(path);
}

void* open_library(const std::string& path) {
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    refuse(path, std::string("cannot be loaded: ") + (why != nullptr ? why : "for an unknown reason"));
  }
  return handle;
}

void close_library(void* handle) {
  dlclose(handle);
}

void* find_symbol(void* handle, const char* symbol) {
  return dlsym(handle, symbol);
}

}  // namespace kappa::detail
