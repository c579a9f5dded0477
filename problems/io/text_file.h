// Text files, as the readers and writers of problems/io need them: numbers with errors that name file, line
// and what was expected there, lines of a file of any size in constant memory, and files that appear under
// their name only when complete.
//
// Numbers are read and written by std::from_chars and std::to_chars, whatever the locale: the fewest digits
// that come back to the same bits. Cost: about 30 ns a number.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "kappa/base.h"

namespace kappa::detail {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// What a message says of the file beside its path.
struct TextPlace {
  const std::string& path;
  Index first_line = 1;  ///< number of the text's first line
  /// Continues "expected ..., " where a number was wanted and the text ends.
  std::string_view at_end = "but the file ends here";
};

inline bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/// The token at the beginning of `text` as it may be shown to a reader: short, printable and quoted.
std::string quoted(std::string_view text);

/// A text with a position in it. Lines are counted only when an error has to name one.
class Text {
 public:
  Text(const TextPlace& place, std::string_view text)
      : place_(place), begin_(text.data()), at_(begin_), end_(begin_ + text.size()) {}

  /// Throws Error "PATH:LINE: SENTENCE" with the line of the position.
  [[noreturn]] void fail(const std::string& sentence) const;

  /// The next number, which must be in first .. last; `expected()` puts what it is into words.
  template <class Describe>
  Index integer(Index first, Index last, const Describe& expected) {
    skip_space();
    Index value = 0;
    const auto [stop, problem] = std::from_chars(at_, end_, value);
    const bool overflow = problem == std::errc::result_out_of_range;
    if ((problem != std::errc{} && !overflow) || !ends_token(stop)) {
      fail("expected " + expected() + ", an integer, " + found());
    }
    if (overflow || value < first || value > last) {
      fail("expected " + expected() + ", an integer from " + std::to_string(first) + " to " +
           std::to_string(last) + ", " + found());
    }
    at_ = stop;
    return value;
  }

  /// The next number, which must be finite.
  template <class Describe>
  double real(const Describe& expected) {
    skip_space();
    const char* const start = at_ != end_ && *at_ == '+' && end_ - at_ > 1 && at_[1] != '-' ? at_ + 1 : at_;
    double value = 0.0;
    const auto [stop, problem] = std::from_chars(start, end_, value);
    if (problem == std::errc::result_out_of_range) {
      fail("expected " + expected() + " in the range of a double, " + found());
    }
    if (problem != std::errc{} || !ends_token(stop)) {
      fail("expected " + expected() + ", a number, " + found());
    }
    if (!std::isfinite(value)) {
      fail("expected " + expected() + ", a finite number, " + found());
    }
    at_ = stop;
    return value;
  }

  /// The next run of characters that are no space; empty at the end.
  std::string_view word() {
    skip_space();
    const char* const start = at_;
    while (!ends_token(at_)) {
      ++at_;
    }
    return {start, static_cast<std::size_t>(at_ - start)};
  }

  void skip_space() {
    while (at_ != end_ && is_space(*at_)) {
      ++at_;
    }
  }
  bool more_on_this_line() {
    while (at_ != end_ && is_space(*at_) && *at_ != '\n') {
      ++at_;
    }
    return at_ != end_ && *at_ != '\n';
  }
  bool ended() const { return at_ == end_; }

  /// Continues "expected ..., ": what is there instead.
  std::string found() const;

  /// How many bytes lie behind the position.
  std::size_t consumed() const { return static_cast<std::size_t>(at_ - begin_); }

 private:
  bool ends_token(const char* p) const { return p == end_ || is_space(*p); }

  TextPlace place_;
  const char* begin_;
  const char* at_;
  const char* end_;
};

/// A regular file opened for reading, with its size. Throws Error for anything else; `expected` names in the
/// message what the file should be.
struct OpenFile {
  File file;
  std::uintmax_t size = 0;
};
OpenFile open_to_read(const std::string& path, std::string_view expected);

/// Throws Error where a file that begins like this is compressed or holds zero bytes; `expected` says how a
/// text begins.
void refuse_binary(const std::string& path, std::string_view head, std::string_view expected);

/// The lines of a file, or of a text in memory, one after another, in constant memory.
class Lines {
 public:
  /// `expected` is for messages, as in open_to_read and refuse_binary.
  struct Expected {
    std::string_view file;
    std::string_view beginning;
  };
  /// A line longer than this is refused: no format read here comes near it.
  static constexpr std::size_t longest = 1 << 16;

  Lines(const std::string& path, const Expected& expected);
  /// A text in memory, which must outlive the object; `name` stands for the path in messages.
  Lines(const std::string& name, std::string_view text);

  /// The next line without its end, valid until the next call; false at the end.
  bool next(std::string_view& line);
  /// Of the line that next() gave last, from 1.
  Index number() const { return number_; }

 private:
  bool refill();

  std::string path_;
  OpenFile source_;
  std::vector<char> buffer_;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  Index number_ = 0;
};

/// A file that gets its name when it is complete, so that nobody ever sees a part of it.
class CompleteFile {
 public:
  explicit CompleteFile(const std::string& path);
  CompleteFile(const CompleteFile&) = delete;
  CompleteFile& operator=(const CompleteFile&) = delete;
  ~CompleteFile();

  void text(std::string_view piece) {
    buffer_ += piece;
    if (buffer_.size() >= flush_at) {
      flush();
    }
  }
  /// A number and the character `after` it.
  void integer(Index value, char after);
  void real(double value, char after);

  /// Throws Error where the file cannot be completed; nothing is left behind then.
  void finish();

 private:
  static constexpr std::size_t flush_at = 1 << 16;

  void flush();

  std::string path_;
  std::string temporary_;
  File file_;
  std::string buffer_;
};

}  // namespace kappa::detail
