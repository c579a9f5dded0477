#include "problems/picture/image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "problems/io/text_file.h"

namespace kappa {

namespace {

constexpr double brightest = 254;

std::uint8_t shade(double value, double largest, Image::Palette palette) {
  if (!std::isfinite(value)) {
    return Image::transparent;
  }
  const double share =
      palette == Image::Palette::grey ? value : 0.5 + (largest > 0 ? 0.5 * value / largest : 0.0);
  return static_cast<std::uint8_t>(std::lround(brightest * std::clamp(share, 0.0, 1.0)));
}

double largest_magnitude(ConstVectorRef values) {
  double out = 0;
  for (const double v : values) {
    out = std::isfinite(v) ? std::max(out, std::abs(v)) : out;
  }
  return out;
}

// ------------------------------------------------------------------------------------------------ the file

void append(std::string& out, std::uint32_t word) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>(word >> shift & 0xFFu);
  }
}

/// The remainder of the bytes as a polynomial over two elements, highest powers last.
std::uint32_t cyclic_redundancy(std::string_view bytes) {
  std::uint32_t out = 0xFFFFFFFFu;
  for (const char c : bytes) {
    out ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) {
      out = out >> 1 ^ ((out & 1u) != 0 ? 0xEDB88320u : 0u);
    }
  }
  return ~out;
}

std::uint32_t adler(std::string_view bytes) {
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  for (const char c : bytes) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

void append_chunk(std::string& out, std::string_view type, std::string_view data) {
  append(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = out.size();
  out += type;
  out += data;
  append(out, cyclic_redundancy(std::string_view(out).substr(begin)));
}

/// A zlib stream of stored blocks.
std::string stored(std::string_view bytes) {
  constexpr std::size_t longest = 65535;
  std::string out = "\x78\x01";
  std::size_t at = 0;
  do {
    const std::size_t size = std::min(longest, bytes.size() - at);
    out += static_cast<char>(at + size == bytes.size());
    for (const std::size_t word : {size, ~size}) {
      out += static_cast<char>(word & 0xFFu);
      out += static_cast<char>(word >> 8 & 0xFFu);
    }
    out += bytes.substr(at, size);
    at += size;
  } while (at < bytes.size());
  append(out, adler(bytes));
  return out;
}

using Colour = std::array<double, 3>;

Colour between(const Colour& a, const Colour& b, double share) {
  return {a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), a[2] + share * (b[2] - a[2])};
}

/// 256 colours, the last of them that of transparent pixels.
std::string colours(Image::Palette palette) {
  constexpr Colour black{0, 0, 0}, white{255, 255, 255}, blue{12, 75, 150}, pale{246, 246, 246},
      red{170, 25, 35};
  std::string out;
  for (int k = 0; k < 256; ++k) {
    const double share = std::min(k / brightest, 1.0);
    const Colour c = palette == Image::Palette::grey ? between(black, white, share)
                     : share < 0.5                   ? between(blue, pale, 2 * share)
                                                     : between(pale, red, 2 * share - 1);
    for (const double part : c) {
      out += static_cast<char>(std::lround(part));
    }
  }
  return out;
}

}  // namespace

Image tiles(ConstVectorRef values, const Tiling& tiling) {
  const Index area = tiling.side * tiling.side;
  expects(tiling.side > 0 && tiling.across > 0 && tiling.enlargement > 0, "tiles: sizes must be positive");
  expects(!values.empty() && static_cast<Index>(values.size()) % area == 0,
          "tiles: the values are no whole number of tiles");
  const Index count = static_cast<Index>(values.size()) / area;
  const Index across = std::min(tiling.across, count);
  const Index down = (count + across - 1) / across;
  const Index step = tiling.side + 1;
  Image out;
  out.palette = tiling.palette;
  out.width = tiling.enlargement * (across * step - 1);
  out.height = tiling.enlargement * (down * step - 1);
  out.pixel.assign(static_cast<std::size_t>(out.width * out.height), Image::transparent);
  for (Index k = 0; k < count; ++k) {
    const ConstVectorRef tile =
        values.subspan(static_cast<std::size_t>(k * area), static_cast<std::size_t>(area));
    const double largest = largest_magnitude(tile);
    const Index left = tiling.enlargement * (k % across * step);
    const Index top = tiling.enlargement * (k / across * step);
    for (Index row = 0; row < tiling.enlargement * tiling.side; ++row) {
      for (Index column = 0; column < tiling.enlargement * tiling.side; ++column) {
        const Index from = row / tiling.enlargement * tiling.side + column / tiling.enlargement;
        out.pixel[static_cast<std::size_t>((top + row) * out.width + left + column)] =
            shade(tile[static_cast<std::size_t>(from)], largest, tiling.palette);
      }
    }
  }
  return out;
}

std::string png(const Image& image) {
  expects(image.width > 0 && image.height > 0 &&
              static_cast<Index>(image.pixel.size()) == image.width * image.height,
          "png: the pixels do not fill the image");
  std::string header;
  append(header, static_cast<std::uint32_t>(image.width));
  append(header, static_cast<std::uint32_t>(image.height));
  header += std::string("\x08\x03\x00\x00\x00",
                        5);  // 8 bits, a palette, the only compression and filters, no interlace
  std::string rows;
  for (Index row = 0; row < image.height; ++row) {
    rows += '\0';  // the row is not filtered
    const auto begin = image.pixel.begin() + row * image.width;
    rows.append(begin, begin + image.width);
  }
  std::string opacity(256, '\xff');
  opacity[Image::transparent] = '\0';
  std::string out = "\x89PNG\r\n\x1a\n";
  append_chunk(out, "IHDR", header);
  append_chunk(out, "PLTE", colours(image.palette));
  append_chunk(out, "tRNS", opacity);
  append_chunk(out, "IDAT", stored(rows));
  append_chunk(out, "IEND", "");
  return out;
}

void write_png(const Image& image, const std::string& path) {
  detail::CompleteFile file(path);
  file.text(png(image));
  file.finish();
}

}  // namespace kappa
