#include "bench/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace kappa::bench {

namespace {

constexpr double width = 480;
constexpr double height = 300;
constexpr double left = 52;
constexpr double right = 12;
constexpr double top = 10;
constexpr double bottom = 46;

std::string coordinate(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", v);
  return text;
}

std::string superscript(int exponent) {
  static const char* const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string out = exponent < 0 ? "⁻" : "";
  for (const char c : std::to_string(std::abs(exponent))) {
    out += digits[c - '0'];
  }
  return out;
}

std::string plain(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", v);
  return text;
}

std::string tick_text(double v, Axis::Format format) {
  switch (format) {
    case Axis::Format::percent:
      return plain(100 * v) + " %";
    case Axis::Format::seconds:
      return v < 0.9e-3 ? plain(v * 1e6) + " µs" : v < 0.9 ? plain(v * 1e3) + " ms" : plain(v) + " s";
    case Axis::Format::power:
      return v == 1 ? "1" : "10" + superscript(static_cast<int>(std::lround(std::log10(v))));
    case Axis::Format::factor:
      return plain(v) + "×";
    case Axis::Format::plain:
    case Axis::Format::count:
      break;
  }
  return plain(v);
}

std::vector<double> ticks(const Axis& axis) {
  std::vector<double> out;
  if (axis.scale == Axis::Scale::log) {
    const int first = static_cast<int>(std::ceil(std::log10(axis.low) - 1e-9));
    const int last = static_cast<int>(std::floor(std::log10(axis.high) + 1e-9));
    const int stride = std::max(1, (last - first + 5) / 6);
    const bool few = last - first < 2;
    for (int e = first - 1; e <= last; ++e) {
      for (const double digit : {1.0, 2.0, 5.0}) {
        const double v = digit * std::pow(10.0, e);
        const bool shown = digit == 1.0 ? (last - e) % stride == 0 : few;
        if (shown && v >= axis.low * (1 - 1e-9) && v <= axis.high * (1 + 1e-9)) {
          out.push_back(v);
        }
      }
    }
    return out;
  }
  const double rough = (axis.high - axis.low) / 5;
  const double scale = std::pow(10.0, std::floor(std::log10(rough)));
  const double digit = rough / scale;
  const double step = std::max((digit <= 1   ? 1
                                : digit <= 2 ? 2
                                : digit <= 5 ? 5
                                             : 10) *
                                   scale,
                               axis.format == Axis::Format::count ? 1.0 : 0.0);
  for (double v = std::ceil(axis.low / step) * step; v <= axis.high * (1 + 1e-9); v += step) {
    out.push_back(v);
  }
  return out;
}

double place(double v, const Axis& axis, double from, double to) {
  const bool log = axis.scale == Axis::Scale::log;
  const double low = log ? std::log(axis.low) : axis.low;
  const double high = log ? std::log(axis.high) : axis.high;
  const double at = log ? std::log(std::max(v, axis.low)) : v;
  return from + (to - from) * std::clamp((at - low) / (high - low), 0.0, 1.0);
}

/// The style sheet's class for a series.
std::string style_class(int style) {
  constexpr int styles = 11;  // in report_style.h
  return "s" + std::to_string(style % styles);
}

}  // namespace

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string legend_entry(const std::string& name, int style) {
  return "<span><svg viewBox=\"0 0 34 10\" aria-hidden=\"true\"><path class=\"line " + style_class(style) +
         "\" d=\"M0 5H34\"/></svg>" + escape(name) + "</span>";
}

std::string svg(const Chart& chart) {
  const auto x_of = [&](double v) { return place(v, chart.x, left, width - right); };
  const auto y_of = [&](double v) { return place(v, chart.y, height - bottom, top); };
  std::string out = "<svg class=\"chart\" viewBox=\"0 0 480 300\" role=\"img\" aria-label=\"" +
                    escape(chart.description) + "\">\n<g class=\"grid\">";
  for (const double v : ticks(chart.x)) {
    const std::string at = coordinate(x_of(v));
    out += "<line x1=\"" + at + "\" y1=\"" + coordinate(top) + "\" x2=\"" + at + "\" y2=\"" +
           coordinate(height - bottom) + "\"/>";
  }
  for (const double v : ticks(chart.y)) {
    const std::string at = coordinate(y_of(v));
    out += "<line x1=\"" + coordinate(left) + "\" y1=\"" + at + "\" x2=\"" + coordinate(width - right) +
           "\" y2=\"" + at + "\"/>";
  }
  out += "</g>\n<g class=\"ticks\">";
  for (const double v : ticks(chart.x)) {
    const double at = x_of(v);
    const char* anchor = at > width - right - 16 ? "end" : "middle";
    out += "<text x=\"" + coordinate(at > width - right - 16 ? width - 2 : at) + "\" y=\"" +
           coordinate(height - bottom + 17) + "\" text-anchor=\"" + anchor + "\">" +
           tick_text(v, chart.x.format) + "</text>";
  }
  for (const double v : ticks(chart.y)) {
    out += "<text x=\"" + coordinate(left - 7) + "\" y=\"" + coordinate(y_of(v) + 4) +
           "\" text-anchor=\"end\">" + tick_text(v, chart.y.format) + "</text>";
  }
  out += "<text class=\"axis\" x=\"" + coordinate((left + width - right) / 2) + "\" y=\"" +
         coordinate(height - 8) + "\" text-anchor=\"middle\">" + escape(chart.x.label) + "</text></g>\n";
  for (const Series& series : chart.series) {
    if (series.points.empty()) {
      continue;
    }
    std::string path;
    double y_before = 0;
    for (std::size_t i = 0; i < series.points.size(); ++i) {
      const double x = x_of(series.points[i].first);
      const double y = y_of(series.points[i].second);
      if (i == 0) {
        path = "M" + coordinate(x) + " " + coordinate(y);
      } else if (chart.shape == Chart::Shape::steps) {
        path += "H" + coordinate(x) + (coordinate(y) == coordinate(y_before) ? "" : "V" + coordinate(y));
      } else {
        path += "L" + coordinate(x) + " " + coordinate(y);
      }
      y_before = y;
    }
    out += "<path class=\"line " + style_class(series.style) + "\" d=\"" + path + "\"><title>" +
           escape(series.name) + "</title></path>\n";
    if (chart.shape == Chart::Shape::line) {
      const double x = x_of(series.points.back().first);
      out += "<circle class=\"end " + style_class(series.style) + "\" cx=\"" + coordinate(x) + "\" cy=\"" +
             coordinate(y_before) + "\" r=\"3.5\"/>\n";
    }
  }
  return out + "</svg>\n";
}

}  // namespace kappa::bench
