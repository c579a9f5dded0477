// A shared library on disk: looked over before any of its code runs, then loaded.
#pragma once

#include <string>

namespace kappa::detail {

/// Throws Error, naming the file and the remedy, where it is missing, not a whole ELF library for this
/// machine, or where it or its folder may be written by everybody.
void check_library(const std::string& path);

/// dlopen with RTLD_NOW | RTLD_LOCAL. Throws Error with the loader's sentence.
void* open_library(const std::string& path);
void close_library(void* handle);

/// The address of a symbol, or nullptr.
void* find_symbol(void* handle, const char* symbol);

}  // namespace kappa::detail
