#include "problems/io/whole_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#ifdef KAPPA_WITH_ZLIB
#include <zlib.h>
#endif

#include "problems/io/text_file.h"

namespace kappa::detail {

namespace {

bool is_gzip(std::string_view bytes) {
  return bytes.starts_with("\x1f\x8b");
}

Bytes read_all(const std::string& path, std::string_view expected) {
  const OpenFile source = open_to_read(path, expected);
  Bytes out(static_cast<std::size_t>(source.size));
  const std::size_t got = std::fread(out.data(), 1, out.size(), source.file.get());
  if (got != out.size() && std::ferror(source.file.get()) != 0) {
    throw Error(path + ": cannot be read to its end: " + std::strerror(errno));
  }
  out.resize(got);
  return out;
}

}  // namespace

#ifdef KAPPA_WITH_ZLIB

namespace {

struct Inflater {
  z_stream stream{};
  bool ready = false;

  Inflater() {
    constexpr int gzip_only = 16 + MAX_WBITS;
    ready = inflateInit2(&stream, gzip_only) == Z_OK;
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (ready) {
      inflateEnd(&stream);
    }
  }
};

/// What a gzip file says of its size: its last four bytes, modulo 2^32, and so a first guess only.
std::size_t size_hint(std::string_view packed) {
  if (packed.size() < 18) {
    return 0;
  }
  std::size_t size = 0;
  for (int i = 0; i < 4; ++i) {
    size |= static_cast<std::size_t>(static_cast<unsigned char>(packed[packed.size() - 4 + std::size_t(i)]))
            << (8 * i);
  }
  constexpr std::size_t largest_ratio = 1032;
  return std::min(size, largest_ratio * packed.size());
}

}  // namespace

Bytes gunzip(std::string_view packed, const std::string& name) {
  Inflater inflater;
  if (!inflater.ready) {
    throw Error(name + ": cannot be decompressed: zlib cannot be set up");
  }
  z_stream& z = inflater.stream;
  constexpr std::size_t most = std::numeric_limits<uInt>::max();
  Bytes out(std::max<std::size_t>(size_hint(packed), 1 << 12));
  std::size_t read = 0;
  std::size_t written = 0;
  for (;;) {
    if (written == out.size()) {
      out.resize(2 * out.size());
    }
    const std::size_t in = std::min(packed.size() - read, most);
    const std::size_t room = std::min(out.size() - written, most);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + read));
    z.avail_in = static_cast<uInt>(in);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + written);
    z.avail_out = static_cast<uInt>(room);
    const int status = inflate(&z, Z_NO_FLUSH);
    read += in - z.avail_in;
    written += room - z.avail_out;
    const auto place = [&] {
      return name + ": at byte " + std::to_string(read) + " of the compressed file, ";
    };
    if (status == Z_STREAM_END) {
      if (!is_gzip(packed.substr(read))) {  // zeros or a tape's padding may follow
        break;
      }
      inflateReset(&z);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      throw Error(place() + "expected data packed by gzip, found a damaged stream" +
                  (z.msg != nullptr ? std::string(" (") + z.msg + ")" : "") + "; fetch the file again");
    } else if (read == packed.size() && z.avail_out != 0) {
      throw Error(place() + "expected more data packed by gzip, but the file ends here; it is cut short");
    }
  }
  out.resize(written);
  return out;
}

#else

Bytes gunzip(std::string_view, const std::string& name) {
  throw Error(name +
              ": is compressed by gzip, and this kappa was built without zlib; decompress it first (gunzip)");
}

#endif

Bytes read_whole_file(const std::string& path, std::string_view expected) {
  Bytes bytes = read_all(path, expected);
  if (is_gzip(view(bytes))) {
    return gunzip(view(bytes), path);
  }
  if (path.ends_with(".gz")) {
    throw Error(path +
                ": has a name that ends in .gz, but does not begin as a file of gzip does; rename it, or " +
                "fetch it again");
  }
  return bytes;
}

}  // namespace kappa::detail
