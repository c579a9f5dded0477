// gzip files for tests, with stored blocks only, so that tests need no compressor: RFC 1952 and RFC 1951.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace kappa::test {

inline std::uint32_t crc32(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1U) != 0 ? (crc >> 1) ^ 0xEDB88320U : crc >> 1;
    }
  }
  return ~crc;
}

inline void append_little(std::string& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out += static_cast<char>((value >> (8 * i)) & 0xFFU);
  }
}

inline std::string gzip(const std::string& bytes) {
  std::string out("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);
  constexpr std::size_t block = 60000;
  std::size_t at = 0;
  do {
    const std::size_t size = std::min(block, bytes.size() - at);
    out += at + size == bytes.size() ? '\x01' : '\x00';
    append_little(out, static_cast<std::uint32_t>(size), 2);
    append_little(out, ~static_cast<std::uint32_t>(size), 2);
    out += bytes.substr(at, size);
    at += size;
  } while (at < bytes.size());
  append_little(out, crc32(bytes), 4);
  append_little(out, static_cast<std::uint32_t>(bytes.size()), 4);
  return out;
}

/// An idx file of unsigned bytes.
inline std::string idx(const std::vector<std::uint32_t>& dimensions, const std::string& entries) {
  std::string out("\0\0\x08", 3);
  out += static_cast<char>(dimensions.size());
  for (const std::uint32_t d : dimensions) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      out += static_cast<char>((d >> shift) & 0xFFU);
    }
  }
  return out + entries;
}

}  // namespace kappa::test
