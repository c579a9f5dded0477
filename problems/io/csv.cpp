// Comma-separated values: one sample a line, the same number of cells in each. Where the first line has no
// comma, semicolons or tabs separate.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <system_error>

#include "problems/io/data_text.h"
#include "problems/io/text_file.h"
#include "problems/io/whole_file.h"

namespace kappa {

namespace {

using detail::quoted;

constexpr Index most_stated = Index{1} << 40;  // a header's number beyond this is no count
constexpr const char* expected_file = "a file of comma-separated numbers";

std::string_view trimmed(std::string_view cell) {
  while (!cell.empty() && detail::is_space(cell.front())) {
    cell.remove_prefix(1);
  }
  while (!cell.empty() && detail::is_space(cell.back())) {
    cell.remove_suffix(1);
  }
  return cell;
}

std::string_view unquoted(std::string_view cell) {
  return cell.size() > 1 && cell.front() == '"' && cell.back() == '"'
             ? trimmed(cell.substr(1, cell.size() - 2))
             : cell;
}

/// The number that the whole cell is; NaN and what is no number are told apart by the caller.
std::errc read_number(std::string_view cell, double& value) {
  if (cell.size() > 1 && cell[0] == '+' && cell[1] != '-') {
    cell.remove_prefix(1);
  }
  const char* const end = cell.data() + cell.size();
  const auto [stop, problem] = std::from_chars(cell.data(), end, value);
  return problem == std::errc{} && stop != end ? std::errc::invalid_argument : problem;
}

char separator_of(std::string_view line) {
  for (const char c : {',', ';', '\t'}) {
    if (line.find(c) != std::string_view::npos) {
      return c;
    }
  }
  return ',';
}

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& name, const CsvOptions& options)
      : text_(text), options_(options), name_(name) {}

  Dataset read() {
    std::string_view line;
    while (next_line(line)) {
      if (number_ <= options_.skip_lines || trimmed(line).empty()) {
        continue;
      }
      split(line);
      if (columns_ == 0) {
        if (read_counts()) {
          continue;
        }
        begin();
        if (is_header()) {
          continue;
        }
      }
      sample();
    }
    finish();
    return std::move(data_);
  }

 private:
  [[noreturn]] void fail(const std::string& sentence) const {
    throw Error(name_ + ":" + std::to_string(number_) + ": " + sentence);
  }

  bool next_line(std::string_view& line) {
    if (text_.empty()) {
      return false;
    }
    const std::size_t end = std::min(text_.find('\n'), text_.size());
    line = text_.substr(0, end);
    text_.remove_prefix(std::min(end + 1, text_.size()));
    ++number_;
    return true;
  }

  void split(std::string_view line) {
    separator_ = separator_ == '\0' ? separator_of(line) : separator_;
    cells_.clear();
    for (;;) {
      const auto* stop = static_cast<const char*>(std::memchr(line.data(), separator_, line.size()));
      const std::size_t size = stop == nullptr ? line.size() : static_cast<std::size_t>(stop - line.data());
      cells_.push_back(unquoted(trimmed(line.substr(0, size))));
      if (stop == nullptr) {
        return;
      }
      line.remove_prefix(size + 1);
    }
  }

  /// A header "SAMPLES,FEATURES,CLASS,CLASS..." of names, as scikit-learn's data sets have. Two names
  /// tell it from a sample.
  bool read_counts() {
    if (stated_samples_ > 0 || cells_.size() < 4 || options_.targets != Targets::classes) {
      return false;
    }
    Index counts[2] = {0, 0};
    double ignored = 0;
    for (std::size_t j = 0; j < cells_.size(); ++j) {
      const std::string_view cell = cells_[j];
      if (j < 2) {
        const auto [stop, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), counts[j]);
        if (problem != std::errc{} || stop != cell.data() + cell.size() || counts[j] < 1 ||
            counts[j] > most_stated) {
          return false;
        }
      } else if (cell.empty() || read_number(cell, ignored) != std::errc::invalid_argument) {
        return false;
      }
    }
    stated_samples_ = counts[0];
    stated_columns_ = counts[1] + 1;
    stated_line_ = number_;
    stated_classes_.assign(cells_.begin() + 2, cells_.end());
    return true;
  }

  /// The first line with cells says how many a line has.
  void begin() {
    columns_ = static_cast<Index>(cells_.size());
    if (stated_samples_ > 0 && columns_ != stated_columns_) {
      fail("expected " + std::to_string(stated_columns_) + " cells, the features and the class that line " +
           std::to_string(stated_line_) + " states, found " + std::to_string(columns_));
    }
    target_ = options_.target_column < 0 ? columns_ - 1 : options_.target_column;
    if (target_ >= columns_) {
      fail("expected a target in column " + std::to_string(target_) + " (from 0), found " +
           std::to_string(columns_) + (columns_ == 1 ? " column" : " columns"));
    }
    if (columns_ < 2) {
      fail("expected at least one feature and a target, found one column; are commas the separators?");
    }
  }

  bool is_header() const {
    double ignored = 0;
    for (Index j = 0; j < columns_; ++j) {
      const std::string_view cell = cells_[static_cast<std::size_t>(j)];
      const bool may_be_name = j == target_ && options_.targets == Targets::classes;
      if (!may_be_name && !cell.empty() && cell != "?" &&
          read_number(cell, ignored) == std::errc::invalid_argument) {
        return true;
      }
    }
    return false;
  }

  double real(Index column) const {
    const std::string_view cell = cells_[static_cast<std::size_t>(column)];
    const auto wanted = [&] {
      return "expected a finite number in column " + std::to_string(column) + " (from 0), ";
    };
    double value = 0;
    const std::errc problem = read_number(cell, value);
    if (problem == std::errc::result_out_of_range) {
      fail(wanted() + "found " + quoted(cell) + ", out of the range of a double");
    }
    if (cell.empty()) {
      fail(wanted() + "but the cell is empty; fill in what is missing or leave the line out");
    }
    if (problem != std::errc{} || !std::isfinite(value)) {
      fail(wanted() + "found " + quoted(cell));
    }
    return value;
  }

  void sample() {
    if (static_cast<Index>(cells_.size()) != columns_) {
      fail("expected " + std::to_string(columns_) + " cells as in the first line, found " +
           std::to_string(cells_.size()));
    }
    for (Index j = 0; j < columns_; ++j) {
      if (j != target_) {
        data_.features.value.push_back(real(j));
      }
    }
    if (options_.targets == Targets::numbers) {
      data_.target.push_back(real(target_));
    } else {
      class_of(cells_[static_cast<std::size_t>(target_)]);
    }
    ++data_.features.samples;
  }

  void class_of(std::string_view cell) {
    if (cell.empty()) {
      fail("expected a class in column " + std::to_string(target_) + " (from 0), but the cell is empty");
    }
    auto found = number_of_.find(cell);
    if (found == number_of_.end()) {
      found = number_of_.emplace(std::string(cell), static_cast<std::int32_t>(number_of_.size())).first;
    }
    data_.label.push_back(found->second);
  }

  /// Classes that are numbers in all cases are ordered as such, others as text.
  void order_classes() {
    struct Named {
      std::string name;
      double value = 0;
      std::int32_t number = 0;
    };
    std::vector<Named> named;
    bool numbers = true;
    for (const auto& [name, number] : number_of_) {
      double value = 0;
      numbers = numbers && read_number(name, value) == std::errc{} && std::isfinite(value);
      named.push_back({name, value, number});
    }
    if (numbers) {
      std::stable_sort(named.begin(), named.end(),
                       [](const Named& a, const Named& b) { return a.value < b.value; });
    }
    std::vector<std::int32_t> rank(named.size());
    for (std::size_t k = 0; k < named.size(); ++k) {
      // "1" and "1.0" are one class.
      const bool same = numbers && k > 0 && named[k].value == named[k - 1].value;
      if (!same) {
        data_.classes.push_back(named[k].name);
      }
      rank[static_cast<std::size_t>(named[k].number)] = static_cast<std::int32_t>(data_.classes.size()) - 1;
    }
    for (std::int32_t& label : data_.label) {
      label = rank[static_cast<std::size_t>(label)];
    }
  }

  void finish() {
    if (data_.features.samples == 0) {
      throw Error(name_ + ":" + std::to_string(std::max<Index>(number_, 1)) +
                  ": expected comma-separated numbers, but the file holds no samples");
    }
    if (stated_samples_ > 0 && data_.features.samples != stated_samples_) {
      throw Error(name_ + ":" + std::to_string(number_) + ": line " + std::to_string(stated_line_) +
                  " states " + std::to_string(stated_samples_) + " samples, but the file has " +
                  std::to_string(data_.features.samples) + "; is it cut short?");
    }
    data_.features.size = columns_ - 1;
    if (options_.targets == Targets::numbers) {
      data_.outputs = 1;
    } else {
      order_classes();
      name_classes();
    }
  }

  /// Classes numbered from 0 get the names that a header of counts has for them.
  void name_classes() {
    bool counted = data_.classes.size() <= stated_classes_.size();
    for (std::size_t c = 0; c < data_.classes.size(); ++c) {
      counted = counted && data_.classes[c] == std::to_string(c);
    }
    if (counted && !data_.classes.empty()) {
      std::copy_n(stated_classes_.begin(), data_.classes.size(), data_.classes.begin());
    }
  }

  std::string_view text_;
  CsvOptions options_;
  const std::string& name_;
  Index number_ = 0;  ///< of the line, from 1
  char separator_ = '\0';
  Index columns_ = 0;
  Index stated_samples_ = 0;  ///< by a header of counts; 0: there is none
  Index stated_columns_ = 0;
  Index stated_line_ = 0;
  std::vector<std::string> stated_classes_;
  Index target_ = 0;
  std::vector<std::string_view> cells_;
  std::map<std::string, std::int32_t, std::less<>> number_of_;
  Dataset data_;
};

}  // namespace

Dataset parse_csv(std::string_view text, const std::string& name, const CsvOptions& options) {
  expects(options.skip_lines >= 0, "load_csv: the number of lines to skip must not be negative");
  detail::refuse_binary(name, text.substr(0, 4096), "comma-separated numbers");
  if (text.starts_with("\xEF\xBB\xBF")) {  // the byte order mark that spreadsheets write
    text.remove_prefix(3);
  }
  Dataset out = CsvParser(text, name, options).read();
  out.name = detail::stem(name);
  return out;
}

Dataset load_csv(const std::string& path, const CsvOptions& options) {
  const detail::Bytes bytes = detail::read_whole_file(path, expected_file);
  return parse_csv(detail::view(bytes), path, options);
}

}  // namespace kappa
