// What a network of images has learned, to look at: the filters of its first layer, or what an autoencoder
// makes of samples.
#pragma once

#include <optional>
#include <span>

#include "kappa/data.h"
#include "kappa/network.h"
#include "problems/picture/image.h"

namespace kappa {

/// The side of the square image that so many features are, row by row; nothing where they are none.
std::optional<Index> image_side(Index features);
/// The same of a network's only input.
std::optional<Index> image_side(const Network& network);

/// The weights of each unit of the first layer as a tile, 16 tiles in a row: red where they are positive,
/// blue where they are negative. Nothing where the network's only input is no square image.
std::optional<Image> filters(const Network& network, ConstVectorRef x);

/// `images` in one row, and a row of what the network gives for them. Nothing where features are no square
/// image or the network is no autoencoder.
std::optional<Image> reconstructions(const Network& network, ConstVectorRef x, const Features& images);

/// One row of images whose pixels are samples x features values.
Image image_row(ConstVectorRef pixels, Index side);

}  // namespace kappa
