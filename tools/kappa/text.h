// Text for people: printf into a string, labelled rows in columns, and the one way to standard output.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kappa::cli {

/// printf into a string.
[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...);

/// Rows of cells, every column as wide as its widest cell, two spaces between columns.
class Table {
 public:
  enum class Align { left, right };
  explicit Table(std::vector<Align> columns, std::string indent = {})
      : columns_(std::move(columns)), indent_(std::move(indent)) {}

  /// Fewer cells than columns are allowed; more are not.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  std::string text() const;

 private:
  std::vector<Align> columns_;
  std::string indent_;
  std::vector<std::vector<std::string>> rows_;
};

/// Writes to standard output. Throws Error where that fails (a full disk, say).
void print(const std::string& text);

}  // namespace kappa::cli
