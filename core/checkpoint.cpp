#include "kappa/checkpoint.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace kappa {

namespace {

constexpr std::string_view magic = "kappaCP1";
constexpr std::size_t frame = 24;  // magic, length, hash

std::uint64_t little(std::uint64_t v) {
  if constexpr (std::endian::native == std::endian::big) {
    std::uint64_t out = 0;
    for (int i = 0; i < 8; ++i) {
      out = out << 8 | (v >> (8 * i) & 0xFF);
    }
    return out;
  }
  return v;
}

std::uint64_t hash_of(const char* data, std::size_t size) {
  BitHash hash;
  for (std::size_t i = 0; i < size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + i, std::min<std::size_t>(8, size - i));
    hash.add(little(word));
  }
  hash.add(static_cast<std::uint64_t>(size));
  return hash.value();
}

[[noreturn]] void cannot(const char* what, const std::string& path, const std::string& why) {
  throw Error("checkpoint " + path + " cannot be " + what + ": " + why);
}

/// A file that is closed whatever happens.
class File {
 public:
  File(const std::string& path, int flags) : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~File() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool open() const { return descriptor_ >= 0; }
  bool write(const char* data, std::size_t size) const {
    while (size > 0) {
      const ssize_t done = ::write(descriptor_, data, size);
      if (done < 0 && errno == EINTR) {
        continue;
      }
      if (done <= 0) {
        return false;
      }
      data += done;
      size -= static_cast<std::size_t>(done);
    }
    return true;
  }
  bool flush() const { return ::fsync(descriptor_) == 0; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

void BitHash::add(std::uint64_t word) {
  // Both steps are one to one in the hash, and the first is in the word.
  hash_ = (hash_ ^ word) * 0x9E3779B97F4A7C15u;
  hash_ ^= hash_ >> 32;
}

void BitHash::add(double value) {
  add(std::bit_cast<std::uint64_t>(value));
}

void BitHash::add(ConstVectorRef values) {
  for (const double v : values) {
    add(v);
  }
  add(static_cast<std::uint64_t>(values.size()));
}

State::State(std::vector<char>* written, const std::vector<char>* read, std::string origin)
    : written_(written), read_(read), origin_(std::move(origin)), loads_(read != nullptr) {}

State State::saving(std::vector<char>& buffer) {
  buffer.clear();
  return {&buffer, nullptr, {}};
}

State State::loading(const std::vector<char>& buffer, std::string origin) {
  return {nullptr, &buffer, std::move(origin)};
}

void State::refuse(std::string_view what) const {
  throw Error(origin_ + ": " + std::string(what));
}

void State::bytes(void* data, std::size_t size) {
  if (!loads_) {
    const char* from = static_cast<const char*>(data);
    written_->insert(written_->end(), from, from + size);
    return;
  }
  if (size > read_->size() - at_) {
    refuse("the checkpoint ends within a record; it was written by another version of kappa");
  }
  if (size > 0) {  // an empty vector may have no memory
    std::memcpy(data, read_->data() + at_, size);
  }
  at_ += size;
}

void State::word(std::uint64_t& value) {
  std::uint64_t stored = little(value);
  bytes(&stored, sizeof stored);
  value = little(stored);
}

void State::head(Type type, std::string_view name) {
  auto kind = static_cast<unsigned char>(type);
  auto size = static_cast<unsigned char>(name.size());
  expects(name.size() < 256, "State: a name must be shorter than 256 characters");
  char text[256];
  std::copy(name.begin(), name.end(), text);
  bytes(&kind, 1);
  bytes(&size, 1);
  bytes(text, size);
  if (loads_ && (kind != static_cast<unsigned char>(type) || std::string_view(text, size) != name)) {
    refuse("the checkpoint holds '" + std::string(text, size) + "' where '" + std::string(name) +
           "' is expected; it is of another method or was written by another version of kappa");
  }
}

/// The number of entries that follow, each of so many bytes.
std::uint64_t State::length(std::uint64_t current, std::size_t each) {
  std::uint64_t out = current;
  word(out);
  if (loads_ && out > (read_->size() - at_) / each) {
    refuse("the checkpoint ends within a record; it was written by another version of kappa");
  }
  return out;
}

void State::section(std::string_view name, std::uint32_t version) {
  head(Type::section, name);
  std::uint64_t found = version;
  word(found);
  if (found != version) {
    refuse("the state of '" + std::string(name) + "' has version " + std::to_string(found) + ", and " +
           std::to_string(version) + " is expected; it was written by another version of kappa");
  }
}

void State::item(std::string_view name, double& value) {
  head(Type::number, name);
  auto bits = std::bit_cast<std::uint64_t>(value);
  word(bits);
  value = std::bit_cast<double>(bits);
}

void State::item(std::string_view name, std::int64_t& value) {
  head(Type::integer, name);
  auto bits = static_cast<std::uint64_t>(value);
  word(bits);
  value = static_cast<std::int64_t>(bits);
}

void State::item(std::string_view name, std::uint64_t& value) {
  head(Type::natural, name);
  word(value);
}

void State::item(std::string_view name, bool& value) {
  head(Type::truth, name);
  std::uint64_t bits = value ? 1 : 0;
  word(bits);
  value = bits != 0;
}

void State::item(std::string_view name, std::string& value) {
  head(Type::text, name);
  value.resize(static_cast<std::size_t>(length(value.size(), 1)));
  bytes(value.data(), value.size());
}

void State::item(std::string_view name, std::vector<double>& value) {
  head(Type::numbers, name);
  value.resize(static_cast<std::size_t>(length(value.size(), 8)));
  if constexpr (std::endian::native == std::endian::little) {
    bytes(value.data(), 8 * value.size());
  } else {
    for (double& v : value) {
      auto bits = std::bit_cast<std::uint64_t>(v);
      word(bits);
      v = std::bit_cast<double>(bits);
    }
  }
}

void State::item(std::string_view name, std::vector<std::int64_t>& value) {
  head(Type::integers, name);
  value.resize(static_cast<std::size_t>(length(value.size(), 8)));
  for (std::int64_t& v : value) {
    auto bits = static_cast<std::uint64_t>(v);
    word(bits);
    v = static_cast<std::int64_t>(bits);
  }
}

void State::same(std::string_view name, std::uint64_t value, std::string_view mismatch) {
  std::uint64_t found = value;
  item(name, found);
  if (found != value) {
    refuse(mismatch);
  }
}

void State::same(std::string_view name, std::string_view value, std::string_view mismatch) {
  std::string found(value);
  item(name, found);
  if (found != value) {
    refuse(std::string(mismatch) + ": there '" + found + "', here '" + std::string(value) + "'");
  }
}

void State::end() const {
  if (loads_ && at_ != read_->size()) {
    refuse("the checkpoint holds more than is expected; it was written by another version of kappa");
  }
}

void write_checkpoint(const std::string& path, const std::vector<char>& records) {
  const std::string unfinished = path + "." + std::to_string(::getpid()) + ".part";
  const auto failed = [&](const std::string& why) {
    ::unlink(unfinished.c_str());
    cannot("written", path, why);
  };
  {
    const std::uint64_t length = little(records.size());
    const std::uint64_t hash = little(hash_of(records.data(), records.size()));
    char head[16];
    std::memcpy(head, magic.data(), 8);
    std::memcpy(head + 8, &length, 8);
    char tail[8];
    std::memcpy(tail, &hash, 8);
    File file(unfinished, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.open()) {
      cannot("written", path, std::strerror(errno));
    }
    if (!file.write(head, sizeof head) || !file.write(records.data(), records.size()) ||
        !file.write(tail, sizeof tail) || !file.flush() || ::close(file.release()) != 0) {
      failed(std::strerror(errno));
    }
  }
  if (::rename(unfinished.c_str(), path.c_str()) != 0) {
    failed(std::strerror(errno));
  }
  // The new name is on the disk only when the folder is. Some file systems cannot do that, and need not.
  const File folder(folder_of(path), O_RDONLY | O_DIRECTORY);
  if (folder.open() && !folder.flush() && errno != EINVAL) {
    cannot("written", path, std::string("its folder cannot be flushed: ") + std::strerror(errno));
  }
}

std::vector<char> read_checkpoint(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    cannot("read", path, std::strerror(errno));
  }
  std::vector<char> all;
  char chunk[65536];
  std::size_t got = 0;
  while ((got = std::fread(chunk, 1, sizeof chunk, file)) > 0) {
    all.insert(all.end(), chunk, chunk + got);
  }
  const bool broken = std::ferror(file) != 0;
  const std::string why = broken ? std::strerror(errno) : "";
  std::fclose(file);
  if (broken) {
    cannot("read", path, why);
  }
  if (all.size() < magic.size() || std::string_view(all.data(), magic.size()) != magic) {
    throw Error(path + " is no checkpoint of kappa, or one of another version of its format");
  }
  std::uint64_t length = 0;
  std::uint64_t hash = 0;
  if (all.size() >= frame) {
    std::memcpy(&length, all.data() + 8, 8);
    std::memcpy(&hash, all.data() + all.size() - 8, 8);
  }
  if (all.size() < frame || little(length) != all.size() - frame) {
    throw Error("checkpoint " + path + " has been cut short or added to: it holds " +
                std::to_string(all.size()) + " bytes" +
                (all.size() < frame ? "" : " and should hold " + std::to_string(little(length) + frame)));
  }
  std::vector<char> records(all.begin() + 16, all.end() - 8);
  if (hash_of(records.data(), records.size()) != little(hash)) {
    throw Error("checkpoint " + path + " is corrupted: its records do not have the hash that was written");
  }
  return records;
}

}  // namespace kappa
