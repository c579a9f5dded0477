// Line charts as inline SVG. Colours, strokes and fonts come from the page's style sheet (classes s0, s1, ...
// for the series), so that one picture serves light and dark pages.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kappa::bench {

struct Series {
  std::string name;
  int style = 0;                                  ///< index of colour and dash
  std::vector<std::pair<double, double>> points;  ///< x ascending
};

struct Axis {
  std::string label;
  double low = 0;
  double high = 1;
  enum class Scale { linear, log } scale = Scale::linear;
  enum class Format { plain, count, percent, seconds, power, factor } format = Format::plain;
};

struct Chart {
  std::string description;  ///< for those who cannot see it
  Axis x;
  Axis y;
  std::vector<Series> series;
  enum class Shape { steps, line } shape = Shape::line;  ///< steps hold their value until the next point
};

std::string svg(const Chart& chart);

/// The name of a series beside a piece of its line.
std::string legend_entry(const std::string& name, int style);

std::string escape(const std::string& text);

}  // namespace kappa::bench
