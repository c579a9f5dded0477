// A table of text for the terminal.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace kappa::bench {

/// Columns as wide as their widest cell; the first `left` columns are flush left, numbers flush right.
class Grid {
 public:
  explicit Grid(std::size_t left) : left_(left) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  std::string text() const {
    std::vector<std::size_t> width;
    for (const auto& row : rows_) {
      width.resize(std::max(width.size(), row.size()), 0);
      for (std::size_t i = 0; i < row.size(); ++i) {
        width[i] = std::max(width[i], row[i].size());
      }
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string room(width[i] - row[i].size(), ' ');
        line += (i > 0 ? "  " : "") + (i < left_ ? row[i] + room : room + row[i]);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
    return out;
  }

 private:
  std::size_t left_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace kappa::bench
