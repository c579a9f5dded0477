// The libsvm format: "label index:value index:value ... # comment", one sample a line.
//
// Nearly all numbers in such files are short integers, which are read digit by digit (1 to 2 ns each); the
// rest goes through std::from_chars. Lines are counted as they are read, so an error costs nothing extra.
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "problems/io/data_text.h"
#include "problems/io/text_file.h"
#include "problems/io/whole_file.h"

namespace kappa {

namespace {

using detail::quoted;

constexpr const char* expected_file = "a file of samples in the libsvm format";
constexpr std::int64_t most_columns = std::numeric_limits<std::int32_t>::max();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

class LibsvmParser {
 public:
  LibsvmParser(std::string_view text, const std::string& name, const LibsvmOptions& options)
      : options_(options), name_(name), at_(text.data()), end_(at_ + text.size()) {}

  Dataset read() {
    Features& X = data_.features;
    X.row_start.push_back(0);
    for (; at_ != end_; ++line_) {
      skip_blanks();
      if (!ends_line()) {
        label();
        entries();
        X.row_start.push_back(static_cast<Index>(X.value.size()));
      }
      skip_comment();
    }
    finish();
    return std::move(data_);
  }

 private:
  [[noreturn]] void fail(const std::string& sentence) const {
    throw Error(name_ + ":" + std::to_string(line_) + ": " + sentence);
  }
  std::string found() const {
    return at_ == end_ || *at_ == '\n' || *at_ == '\r'
               ? "but the line ends here"
               : "found " + quoted({at_, static_cast<std::size_t>(end_ - at_)});
  }

  void skip_blanks() {
    while (at_ != end_ && is_blank(*at_)) {
      ++at_;
    }
  }
  bool ends_line() const { return at_ == end_ || *at_ == '\n' || *at_ == '#'; }
  bool ends_token(const char* p) const { return p == end_ || is_blank(*p) || *p == '\n' || *p == '#'; }
  void skip_comment() {
    while (at_ != end_ && *at_ != '\n') {
      ++at_;
    }
    at_ += at_ != end_ ? 1 : 0;
  }

  /// Up to nine digits that `stop` ends; false leaves the position.
  template <class Stop>
  bool short_integer(std::int64_t& out, const Stop& stop) {
    const char* p = at_;
    std::int64_t value = 0;
    while (p != end_ && is_digit(*p) && p - at_ < 9) {
      value = 10 * value + (*p - '0');
      ++p;
    }
    if (p == at_ || !stop(p)) {
      return false;
    }
    out = value;
    at_ = p;
    return true;
  }

  double real(const char* what) {
    if (std::int64_t small = 0; short_integer(small, [&](const char* p) { return ends_token(p); })) {
      return static_cast<double>(small);
    }
    const char* const first = at_ != end_ && *at_ == '+' && end_ - at_ > 1 && at_[1] != '-' ? at_ + 1 : at_;
    double value = 0;
    const auto [stop, problem] = std::from_chars(first, end_, value);
    if (problem == std::errc::result_out_of_range) {
      fail(std::string("expected ") + what + " in the range of a double, " + found());
    }
    if (problem != std::errc{} || !ends_token(stop)) {
      fail(std::string("expected ") + what + ", a number, " + found());
    }
    if (!std::isfinite(value)) {
      fail(std::string("expected ") + what + ", a finite number, " + found());
    }
    at_ = stop;
    return value;
  }

  void label() {
    const char* const start = at_;
    const double value = real("the sample's label");
    if (options_.targets == Targets::numbers) {
      data_.target.push_back(value);
      return;
    }
    constexpr double largest = std::numeric_limits<std::int32_t>::max();
    if (value != std::floor(value) || std::abs(value) > largest) {
      at_ = start;
      fail("expected a class label, an integer of at most 32 bits, " + found() +
           "; read the file with Targets::numbers where its targets are numbers");
    }
    classes_.add(static_cast<std::int64_t>(value));
  }

  std::int32_t index() {
    std::int64_t value = 0;
    const char* const start = at_;
    if (!short_integer(value, [&](const char* p) { return p != end_ && *p == ':'; })) {
      const auto [stop, problem] = std::from_chars(at_, end_, value);
      if (end_ - at_ > 4 && std::string_view(at_, 4) == "qid:") {
        fail("expected index:value, found 'qid:'; files of ranked queries are not read");
      }
      if (problem == std::errc::invalid_argument || stop == end_ || *stop != ':') {
        fail("expected index:value, " + found());
      }
      if (problem == std::errc::result_out_of_range || value > most_columns) {
        fail("expected an index from 1 to " + std::to_string(most_columns) + ", " + found());
      }
      at_ = stop;
    }
    const auto refuse = [&](const std::string& sentence) {
      at_ = start;
      fail(sentence + found());
    };
    if (value < 1) {
      refuse("expected an index from 1 on (the format's first column is 1, not 0), ");
    }
    if (value <= last_index_) {
      refuse("expected indices that rise within a line, above " + std::to_string(last_index_) + ", ");
    }
    if (options_.features > 0 && value > options_.features) {
      refuse("expected an index of at most " + std::to_string(options_.features) +
             ", the number of features asked for, ");
    }
    ++at_;  // the colon
    last_index_ = value;
    return static_cast<std::int32_t>(value - 1);
  }

  void entries() {
    last_index_ = 0;
    for (skip_blanks(); !ends_line(); skip_blanks()) {
      const std::int32_t column = index();
      const double value = real("the value behind an index");
      largest_index_ = std::max(largest_index_, last_index_);
      if (value != 0) {
        data_.features.value.push_back(value);
        data_.features.column.push_back(column);
      }
    }
  }

  void finish() {
    Features& X = data_.features;
    X.samples = static_cast<Index>(X.row_start.size()) - 1;
    X.size = options_.features > 0 ? options_.features : static_cast<Index>(largest_index_);
    if (X.samples == 0) {
      throw Error(name_ + ":1: expected samples in the libsvm format, but the file holds none");
    }
    if (options_.targets == Targets::numbers) {
      data_.outputs = 1;
    } else {
      classes_.finish(data_);
    }
  }

  LibsvmOptions options_;
  const std::string& name_;
  const char* at_;
  const char* end_;
  Index line_ = 1;
  std::int64_t last_index_ = 0;
  std::int64_t largest_index_ = 0;
  Dataset data_;
  detail::ClassNumbers classes_;
};

}  // namespace

Dataset parse_libsvm(std::string_view text, const std::string& name, const LibsvmOptions& options) {
  expects(options.features >= 0, "load_libsvm: the number of features must not be negative");
  detail::refuse_binary(name, text.substr(0, 4096), "a label and index:value pairs");
  Dataset out = LibsvmParser(text, name, options).read();
  out.name = detail::stem(name);
  return out;
}

Dataset load_libsvm(const std::string& path, const LibsvmOptions& options) {
  const detail::Bytes bytes = detail::read_whole_file(path, expected_file);
  return parse_libsvm(detail::view(bytes), path, options);
}

}  // namespace kappa
