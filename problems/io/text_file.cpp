#include "problems/io/text_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>

namespace kappa::detail {

namespace {

std::string reason() {
  return std::strerror(errno);
}

/// Two writers of one path must not share a temporary file.
std::string unique() {
  std::random_device device;
  return std::to_string(device()) + std::to_string(device());
}

}  // namespace

std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 24;
  std::string shown = "'";
  std::size_t i = 0;
  for (; i < std::min(text.size(), longest) && !is_space(text[i]); ++i) {
    shown += text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
  }
  return shown + (i == longest && i < text.size() ? "...'" : "'");
}

void Text::fail(const std::string& sentence) const {
  const auto line = place_.first_line + std::count(begin_, at_, '\n');
  throw Error(place_.path + ":" + std::to_string(line) + ": " + sentence);
}

std::string Text::found() const {
  return at_ == end_ ? std::string(place_.at_end)
                     : "found " + quoted({at_, static_cast<std::size_t>(end_ - at_)});
}

OpenFile open_to_read(const std::string& path, std::string_view expected) {
  std::error_code problem;
  const std::filesystem::file_status status = std::filesystem::status(path, problem);
  const std::string wanted = "; expected " + std::string(expected);
  if (!std::filesystem::exists(status)) {
    throw Error(path + ": cannot be read: " + (problem ? problem.message() : std::string("no such file")) +
                wanted);
  }
  if (!std::filesystem::is_regular_file(status)) {
    throw Error(path + ": is " +
                (std::filesystem::is_directory(status) ? "a directory" : "not a regular file") + wanted);
  }
  OpenFile out;
  out.size = std::filesystem::file_size(path, problem);
  out.file.reset(std::fopen(path.c_str(), "rb"));
  if (problem || !out.file) {
    throw Error(path + ": cannot be read: " + (problem ? problem.message() : reason()));
  }
  return out;
}

void refuse_binary(const std::string& path, std::string_view head, std::string_view expected) {
  const auto starts = [&](std::string_view magic) { return head.substr(0, magic.size()) == magic; };
  if (starts("\x1f\x8b")) {
    throw Error(path + ": is compressed by gzip; decompress it first (gunzip)");
  }
  if (starts("BZh")) {
    throw Error(path + ": is compressed by bzip2; decompress it first (bunzip2)");
  }
  if (starts("\xFD"
             "7zXZ") ||
      starts("\x28\xB5\x2F\xFD") || starts("PK\x03\x04")) {
    throw Error(path + ": is an archive or compressed (xz, zstd or zip); decompress it first");
  }
  if (head.find('\0') != std::string_view::npos) {
    throw Error(path + ":1: expected " + std::string(expected) + ", found zero bytes");
  }
}

Lines::Lines(const std::string& path, const Expected& expected)
    : path_(path), source_(open_to_read(path, expected.file)), buffer_(16 * longest) {
  at_ = end_ = buffer_.data();
  refill();
  refuse_binary(path, {at_, std::min<std::size_t>(static_cast<std::size_t>(end_ - at_), 4096)},
                expected.beginning);
}

Lines::Lines(const std::string& name, std::string_view text)
    : path_(name), at_(text.data()), end_(text.data() + text.size()) {}

/// Moves what is left to the front of the buffer and fills the rest; false where the file holds no more.
bool Lines::refill() {
  if (!source_.file) {
    return false;
  }
  const auto left = static_cast<std::size_t>(end_ - at_);
  std::copy(at_, end_, buffer_.data());
  const std::size_t room = buffer_.size() - left;
  const std::size_t got = std::fread(buffer_.data() + left, 1, room, source_.file.get());
  if (got < room && std::ferror(source_.file.get()) != 0) {
    throw Error(path_ + ": cannot be read to its end: " + reason());
  }
  at_ = buffer_.data();
  end_ = at_ + left + got;
  return got > 0;
}

bool Lines::next(std::string_view& line) {
  const auto end_of_line = [&] {
    return static_cast<const char*>(std::memchr(at_, '\n', static_cast<std::size_t>(end_ - at_)));
  };
  const char* stop = at_ == end_ ? nullptr : end_of_line();
  if (stop == nullptr && refill()) {
    stop = end_of_line();
  }
  if (at_ == end_) {
    return false;
  }
  ++number_;
  const auto size = static_cast<std::size_t>((stop == nullptr ? end_ : stop) - at_);
  if (size > longest) {
    throw Error(path_ + ":" + std::to_string(number_) + ": the line is longer than " +
                std::to_string(longest) + " characters; is this the right kind of file?");
  }
  line = {at_, size};
  at_ += size + (stop == nullptr ? 0 : 1);
  return true;
}

CompleteFile::CompleteFile(const std::string& path) : path_(path), temporary_(path + ".part-" + unique()) {
  file_.reset(std::fopen(temporary_.c_str(), "wb"));
  if (!file_) {
    throw Error(path_ + ": cannot be written: " + reason());
  }
  buffer_.reserve(flush_at + 256);
}

CompleteFile::~CompleteFile() {
  file_.reset();
  if (!temporary_.empty()) {
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
  }
}

void CompleteFile::integer(Index value, char after) {
  std::array<char, 32> digits;
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size() - 1, value).ptr;
  *end = after;
  text({digits.data(), static_cast<std::size_t>(end + 1 - digits.data())});
}

void CompleteFile::real(double value, char after) {
  std::array<char, 32> digits;
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size() - 1, value).ptr;
  *end = after;
  text({digits.data(), static_cast<std::size_t>(end + 1 - digits.data())});
}

void CompleteFile::finish() {
  flush();
  if (std::fclose(file_.release()) != 0) {
    throw Error(path_ + ": cannot be written completely: " + reason());
  }
  std::error_code problem;
  std::filesystem::rename(temporary_, path_, problem);
  if (problem) {
    throw Error(path_ + ": cannot be given its name: " + problem.message());
  }
  temporary_.clear();
}

void CompleteFile::flush() {
  if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_.get()) != buffer_.size()) {
    throw Error(path_ + ": cannot be written completely: " + reason());
  }
  buffer_.clear();
}

}  // namespace kappa::detail
