#include "problems/picture/network_images.h"

#include <algorithm>
#include <cmath>

namespace kappa {

namespace {

constexpr Index filters_in_a_row = 16;
constexpr Index least_tile = 56;  ///< pixels of a side in the file; smaller tiles are enlarged

Index enlargement(Index side) {
  return std::max<Index>(1, (least_tile + side - 1) / side);
}

}  // namespace

std::optional<Index> image_side(Index features) {
  const auto side = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(features))));
  return side > 1 && side * side == features ? std::optional(side) : std::nullopt;
}

std::optional<Index> image_side(const Network& network) {
  const std::vector<Index>& inputs = network.topology().inputs;
  return inputs.size() == 1 ? image_side(inputs.front()) : std::nullopt;
}

std::optional<Image> filters(const Network& network, ConstVectorRef x) {
  const std::optional<Index> side = image_side(network);
  if (!side) {
    return std::nullopt;
  }
  const Index units = network.topology().layers.front().units;
  const Index area = *side * *side;
  std::vector<double> weights(static_cast<std::size_t>(units * area));
  for (Index unit = 0; unit < units; ++unit) {
    for (Index i = 0; i < area;
         ++i) {  // the layer's weights are units x features, its columns behind each other
      weights[static_cast<std::size_t>(unit * area + i)] = x[static_cast<std::size_t>(i * units + unit)];
    }
  }
  return tiles(weights, {.side = *side,
                         .across = filters_in_a_row,
                         .enlargement = enlargement(*side),
                         .palette = Image::Palette::diverging});
}

Image image_row(ConstVectorRef pixels, Index side) {
  return tiles(pixels, {.side = side,
                        .across = static_cast<Index>(pixels.size()) / (side * side),
                        .enlargement = enlargement(side)});
}

std::optional<Image> reconstructions(const Network& network, ConstVectorRef x, const Features& images) {
  const std::optional<Index> side = image_side(images.size);
  if (!side || images.samples == 0 || network.options().targets != NetworkOptions::Targets::features) {
    return std::nullopt;
  }
  std::vector<double> both = images.value;
  both.resize(2 * images.value.size());
  network.outputs(x, images, {both.data() + images.value.size(), images.size, images.samples, images.size});
  return tiles(both, {.side = *side, .across = images.samples, .enlargement = enlargement(*side)});
}

}  // namespace kappa
