// Images of numbers, such as what a layer of a network has learned, as PNG files.
//
// A pixel is one of 255 shades of a palette, or transparent, so that gaps between tiles take the colour of
// the page. The file's data are stored, not compressed (deflate's stored blocks), so that no library is
// needed: one byte a pixel.
//
// Source: Portable Network Graphics, second edition (ISO/IEC 15948:2004); RFC 1950, 1951.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kappa/base.h"

namespace kappa {

struct Image {
  enum class Palette : std::uint8_t {
    grey,      ///< shade 0 is black, 254 white
    diverging  ///< 0 is blue, 127 nearly white, 254 red
  };
  static constexpr std::uint8_t transparent = 255;

  Index width = 0;
  Index height = 0;
  Palette palette = Palette::grey;
  std::vector<std::uint8_t> pixel;  ///< row by row from the top
};

/// Small images side by side, a gap of one tile pixel between them.
struct Tiling {
  Index side = 0;         ///< pixels of a tile, which is square
  Index across = 0;       ///< tiles in a row
  Index enlargement = 1;  ///< each pixel becomes a square of this side
  Image::Palette palette = Image::Palette::grey;
};

/// Tile k shows values[k * side * side ...], row by row from the top. Grey: 0 is black and 1 white, beyond
/// is cut off. Diverging: 0 is in the middle, and each tile's largest magnitude is one of the ends. What is
/// not finite is transparent.
Image tiles(ConstVectorRef values, const Tiling& tiling);

/// The file's bytes.
std::string png(const Image& image);

/// Throws Error if the file cannot be written.
void write_png(const Image& image, const std::string& path);

}  // namespace kappa
