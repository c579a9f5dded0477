#include "problems/picture/image.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "kappa/random.h"
#include "problems/picture/network_images.h"
#include "support/catch.h"

namespace {

using namespace kappa;

std::uint32_t word(const std::string& bytes, std::size_t at) {
  std::uint32_t out = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    out = out << 8 | static_cast<unsigned char>(bytes.at(at + k));
  }
  return out;
}

/// The check sum as the standard's table-free definition has it: division of the bits by the polynomial.
std::uint32_t remainder(const std::string& bytes) {
  std::vector<int> bits;
  for (const char c : bytes) {
    for (int k = 0; k < 8; ++k) {
      bits.push_back(static_cast<unsigned char>(c) >> k & 1);
    }
  }
  bits.resize(bits.size() + 32);
  for (int k = 0; k < 32; ++k) {
    bits[static_cast<std::size_t>(k)] ^= 1;
  }
  const std::string divisor = "100000100110000010001110110110111";
  for (std::size_t k = 0; k + 32 < bits.size(); ++k) {
    for (std::size_t d = 0; bits[k] == 1 && d < divisor.size(); ++d) {
      bits[k + d] ^= d == 0 ? 0 : divisor[d] - '0';
    }
  }
  std::uint32_t out = 0;
  for (int k = 0; k < 32; ++k) {
    out |= static_cast<std::uint32_t>(bits[bits.size() - 32 + static_cast<std::size_t>(k)] ^ 1) << k;
  }
  return out;
}

/// Chunks by type, their check sums looked at.
std::map<std::string, std::string> chunks(const std::string& file) {
  REQUIRE(file.starts_with("\x89PNG\r\n\x1a\n"));
  std::map<std::string, std::string> out;
  std::size_t at = 8;
  while (at < file.size()) {
    const std::size_t size = word(file, at);
    const std::string type = file.substr(at + 4, 4);
    out[type] = file.substr(at + 8, size);
    REQUIRE(out[type].size() == size);
    if (size < 2000) {
      CHECK(word(file, at + 8 + size) == remainder(file.substr(at + 4, 4 + size)));
    }
    at += size + 12;
  }
  CHECK(at == file.size());
  return out;
}

/// What a zlib stream of stored blocks holds.
std::string unpacked(const std::string& stream) {
  std::string out;
  CHECK((static_cast<unsigned char>(stream[0]) * 256 + static_cast<unsigned char>(stream[1])) % 31 == 0);
  std::size_t at = 2;
  bool last = false;
  while (!last) {
    last = stream.at(at) == 1;
    const auto byte = [&](std::size_t k) {
      return static_cast<std::size_t>(static_cast<unsigned char>(stream.at(at + k)));
    };
    const std::size_t size = byte(1) + 256 * byte(2);
    CHECK(byte(3) + 256 * byte(4) == 65535 - size);
    out += stream.substr(at + 5, size);
    at += 5 + size;
  }
  std::uint64_t a = 1, b = 0;
  for (const char c : out) {
    a += static_cast<unsigned char>(c);
    b += a;
    a %= 65521;
    b %= 65521;
  }
  CHECK(word(stream, at) == b * 65536 + a);
  CHECK(at + 4 == stream.size());
  return out;
}

std::uint8_t at(const Image& image, Index row, Index column) {
  return image.pixel[static_cast<std::size_t>(row * image.width + column)];
}

}  // namespace

TEST_CASE("a PNG holds the pixels row by row, a palette and one transparent entry", "[picture]") {
  const Image image{
      .width = 3, .height = 2, .palette = Image::Palette::diverging, .pixel = {0, 127, 254, 255, 1, 2}};
  const auto parts = chunks(png(image));
  REQUIRE(parts.size() == 5);
  CHECK(parts.contains("IEND"));
  const std::string& header = parts.at("IHDR");
  CHECK(word(header, 0) == 3);
  CHECK(word(header, 4) == 2);
  CHECK(header.substr(8) == std::string("\x08\x03\0\0\0", 5));
  CHECK(unpacked(parts.at("IDAT")) == std::string("\0\x00\x7f\xfe\0\xff\x01\x02", 8));
  const std::string& colours = parts.at("PLTE");
  REQUIRE(colours.size() == 768);
  const auto colour = [&](std::size_t k, std::size_t part) {
    return static_cast<unsigned char>(colours[3 * k + part]);
  };
  CHECK(colour(0, 2) > 2 * colour(0, 0));
  CHECK(colour(254, 0) > 2 * colour(254, 2));
  CHECK((colour(127, 0) > 240 && colour(127, 1) > 240 && colour(127, 2) > 240));
  const std::string& opacity = parts.at("tRNS");
  REQUIRE(opacity.size() == 256);
  CHECK(opacity.find('\0') == 255);
}

TEST_CASE("a PNG of more than a stored block's 65535 bytes is cut into blocks", "[picture]") {
  Image image{.width = 600, .height = 301, .palette = Image::Palette::grey, .pixel = {}};
  const CounterRandom random(7);
  for (Index k = 0; k < image.width * image.height; ++k) {
    image.pixel.push_back(static_cast<std::uint8_t>(random.below(256, static_cast<std::uint64_t>(k))));
  }
  const std::string rows = unpacked(chunks(png(image)).at("IDAT"));
  REQUIRE(rows.size() == 601 * 301);
  for (std::size_t row = 0; row < 301; ++row) {
    CHECK(rows[601 * row] == '\0');
    CHECK(rows.compare(601 * row + 1, 600,
                       std::string(image.pixel.begin() + static_cast<std::ptrdiff_t>(600 * row),
                                   image.pixel.begin() + static_cast<std::ptrdiff_t>(600 * row + 600))) == 0);
  }
}

TEST_CASE("tiles are shaded by their own largest magnitude, or from black to white", "[picture]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> values = {1, -2, 0, 0.5, 0, 0, 0, 0, 100, nan, 0, -50};
  const Image image = tiles(values, {.side = 2, .across = 2, .palette = Image::Palette::diverging});
  REQUIRE(image.width == 5);
  REQUIRE(image.height == 5);
  CHECK(at(image, 0, 0) == 191);  // 254 (1/2 + 1/4), rounded
  CHECK(at(image, 0, 1) == 0);
  CHECK(at(image, 1, 0) == 127);
  CHECK(at(image, 0, 3) == 127);  // a tile of zeros
  CHECK(at(image, 3, 0) == 254);
  CHECK(at(image, 3, 1) == Image::transparent);
  CHECK(at(image, 4, 1) == 64);
  for (Index k = 0; k < 5; ++k) {
    CHECK(at(image, 2, k) == Image::transparent);
    CHECK(at(image, k, 2) == Image::transparent);
  }
  CHECK(at(image, 4, 4) == Image::transparent);  // there is no fourth tile
  const Image grey = tiles(std::vector<double>{0, 0.5, 1, 3}, {.side = 2, .across = 9, .enlargement = 3});
  REQUIRE(grey.width == 6);
  CHECK(at(grey, 2, 2) == 0);
  CHECK(at(grey, 0, 3) == 127);
  CHECK(at(grey, 3, 0) == 254);
  CHECK(at(grey, 5, 5) == 254);
}

TEST_CASE("a filter's tile has the weights of its unit where their pixels are", "[picture][network]") {
  Dataset data;
  data.features = {.samples = 1, .size = 4, .value = {0.25, 1, 0, 0.5}, .row_start = {}, .column = {}};
  data.label = {0};
  const Network network(NetworkTopology::chain({4, 3, 2}, Activation::tanh), data);
  std::vector<double> x(static_cast<std::size_t>(network.dimension()));
  for (Index i = 0; i < network.dimension(); ++i) {
    // As variables are named: W1(unit,pixel).
    x[static_cast<std::size_t>(i)] = network.variable_name(i) == "W1(1,2)" ? -1.0 : 0.0;
  }
  const std::optional<Image> image = filters(network, x);
  REQUIRE(image);
  const Index pixel = image->width / 8;  // of 3 tiles of 2 x 2 and two gaps
  CHECK(at(*image, pixel, 3 * pixel) == 0);
  CHECK(at(*image, 0, 3 * pixel) == 127);
  CHECK(at(*image, pixel, 0) == 127);
  CHECK_FALSE(reconstructions(network, x, data.features));
}

TEST_CASE("reconstructions stand below their images", "[picture][network]") {
  Dataset data;
  data.features = {
      .samples = 2, .size = 4, .value = {0.25, 1, 0, 0.5, 0, 0, 1, 1}, .row_start = {}, .column = {}};
  NetworkOptions options;
  options.loss = NetworkLoss::mean_square;
  options.targets = NetworkOptions::Targets::features;
  const Network network(NetworkTopology::chain({4, 1, 4}, Activation::tanh), data, options);
  std::vector<double> x(static_cast<std::size_t>(network.dimension()), 0.0);
  for (Index i = 0; i < network.dimension(); ++i) {
    if (network.variable_name(i) == "b2(3)") {
      x[static_cast<std::size_t>(i)] = 1;
    }
  }
  const Features second = dense_rows(data.features, std::vector<Index>{1});
  const std::optional<Image> image = reconstructions(network, x, second);
  REQUIRE(image);
  const Index pixel = image->width / 2;
  CHECK(image->height == 5 * pixel);
  CHECK(at(*image, 0, 0) == 0);
  CHECK(at(*image, pixel, 0) == 254);
  CHECK(at(*image, 3 * pixel, 0) == 0);
  CHECK(at(*image, 4 * pixel, 0) == 0);
  CHECK(at(*image, 4 * pixel, pixel) == 254);
}

TEST_CASE("only networks of square images are drawn", "[picture][network]") {
  CHECK(image_side(784) == std::optional<Index>(28));
  CHECK_FALSE(image_side(785));
  CHECK_FALSE(image_side(1));
}

TEST_CASE("dense rows of sparse features have zeros where nothing is stored", "[data]") {
  const Features sparse{
      .samples = 3, .size = 3, .value = {5, 7, 8}, .row_start = {0, 1, 1, 3}, .column = {1, 0, 2}};
  const Features rows = dense_rows(sparse, std::vector<Index>{2, 0, 1});
  CHECK(rows.value == std::vector<double>{7, 0, 8, 0, 5, 0, 0, 0, 0});
  CHECK_FALSE(rows.sparse());
  CHECK_THROWS(dense_rows(sparse, std::vector<Index>{3}));
}
