// A whole file in memory, decompressed where gzip packed it: what the readers of data sets parse.
//
// Memory stays within what the file's size allows: deflate packs a byte no more than 1032 times over, so a
// small file cannot ask for much.
#pragma once

#include <string>
#include <string_view>

#include "kappa/bulk_vector.h"

namespace kappa::detail {

using Bytes = BulkVector<char>;

inline std::string_view view(const Bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

/// The contents of `path`. A file that begins as gzip does is decompressed, and one whose name ends in .gz
/// must. Throws Error where it cannot be read, is cut short or damaged, or where kappa was built without
/// zlib; `expected` says in messages what the file should be.
Bytes read_whole_file(const std::string& path, std::string_view expected);

/// Decompresses gzip, all members of it; `name` stands for the path in messages.
Bytes gunzip(std::string_view packed, const std::string& name);

}  // namespace kappa::detail
