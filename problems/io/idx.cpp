// The idx format of the MNIST family: two zero bytes, the type of an entry (8: unsigned byte), the number of
// dimensions, each dimension as a big-endian 32-bit count, then the entries, the last dimension fastest.
//
// Source: Y. LeCun, C. Cortes & C. Burges, "The MNIST database of handwritten digits", file formats.
#include <array>
#include <limits>

#include "problems/io/data_text.h"
#include "problems/io/whole_file.h"

namespace kappa {

namespace {

struct IdxHeader {
  std::vector<std::uint64_t> dimension;
  std::size_t size = 0;     ///< bytes of the header
  std::uint64_t entry = 1;  ///< bytes of one sample
};

[[noreturn]] void fail(const IdxBytes& file, std::size_t byte, const std::string& sentence) {
  throw Error(file.name + ": at byte " + std::to_string(byte) + ", " + sentence);
}

unsigned byte_at(const IdxBytes& file, std::size_t i) {
  return static_cast<unsigned char>(file.bytes[i]);
}

/// What kind of idx file is wanted, and with how many dimensions.
struct Wanted {
  const char* what;
  unsigned fewest;
  unsigned most;
};

IdxHeader read_header(const IdxBytes& file, const Wanted& wanted) {
  constexpr unsigned unsigned_byte = 8;
  if (file.bytes.size() < 4) {
    fail(file, file.bytes.size(),
         std::string("expected the four bytes with which an idx file of ") + wanted.what +
             " begins, but the file ends here");
  }
  const unsigned dimensions = byte_at(file, 3);
  if (byte_at(file, 0) != 0 || byte_at(file, 1) != 0) {
    fail(file, 0,
         std::string("expected two zero bytes, with which an idx file of ") + wanted.what +
             " begins, found " + std::to_string(byte_at(file, 0)) + " and " +
             std::to_string(byte_at(file, 1)));
  }
  if (byte_at(file, 2) != unsigned_byte) {
    fail(file, 2, "expected type 8, unsigned bytes, found type " + std::to_string(byte_at(file, 2)));
  }
  if (dimensions < wanted.fewest || dimensions > wanted.most) {
    fail(file, 3,
         std::string("expected ") + wanted.what + " in " + std::to_string(wanted.fewest) +
             (wanted.most > wanted.fewest ? " to " + std::to_string(wanted.most) : std::string()) +
             (wanted.most == 1 ? " dimension" : " dimensions") + ", found " + std::to_string(dimensions) +
             "; are images and labels exchanged?");
  }
  IdxHeader out;
  out.size = 4 + 4 * static_cast<std::size_t>(dimensions);
  if (file.bytes.size() < out.size) {
    fail(file, file.bytes.size(),
         "expected a header of " + std::to_string(out.size) +
             " bytes, but the file ends here; it is cut short");
  }
  for (std::size_t at = 4; at < out.size; at += 4) {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      count = 256 * count + byte_at(file, at + i);
    }
    if (count == 0) {
      fail(file, at, "expected a count of at least 1, found 0");
    }
    out.dimension.push_back(count);
  }
  return out;
}

/// Counts that the rest of the file does not hold are refused before memory is asked for.
void compare_with_size(const IdxBytes& file, IdxHeader& header) {
  const std::uint64_t rest = file.bytes.size() - header.size;
  std::uint64_t needed = 1;
  bool fits = true;
  for (std::size_t d = 0; d < header.dimension.size(); ++d) {
    fits = fits && header.dimension[d] <= std::numeric_limits<std::uint64_t>::max() / needed;
    needed = fits ? needed * header.dimension[d] : needed;
    header.entry *= d > 0 && fits ? header.dimension[d] : 1;
  }
  if (fits && needed == rest) {
    return;
  }
  std::string counts;
  for (const std::uint64_t d : header.dimension) {
    counts += (counts.empty() ? "" : " x ") + std::to_string(d);
  }
  const bool short_of = !fits || rest < needed;
  fail(file, short_of ? file.bytes.size() : header.size + needed,
       "expected " + (short_of ? std::string("more data") : std::string("the end of the file")) + " for " +
           counts + " entries after the header, found " + std::to_string(rest) +
           " bytes in all; the file is " + (short_of ? "cut short" : "padded with something else") +
           ", or its counts are wrong");
}

}  // namespace

Dataset parse_idx(const IdxBytes& images, const IdxBytes& labels) {
  IdxHeader image = read_header(images, {.what = "images", .fewest = 2, .most = 4});
  compare_with_size(images, image);
  IdxHeader label = read_header(labels, {.what = "labels", .fewest = 1, .most = 1});
  compare_with_size(labels, label);
  if (label.dimension[0] != image.dimension[0]) {
    fail(labels, 4,
         "expected " + std::to_string(image.dimension[0]) + " labels, one for each image of " + images.name +
             ", found " + std::to_string(label.dimension[0]));
  }
  Dataset out;
  out.name = detail::stem(images.name);
  out.features.samples = static_cast<Index>(image.dimension[0]);
  out.features.size = static_cast<Index>(image.entry);
  std::array<double, 256> scaled;
  for (std::size_t k = 0; k < scaled.size(); ++k) {
    scaled[k] = static_cast<double>(k) / 255.0;
  }
  const std::string_view pixels = images.bytes.substr(image.size);
  out.features.value.resize(pixels.size());
  for (std::size_t k = 0; k < pixels.size(); ++k) {
    out.features.value[k] = scaled[static_cast<unsigned char>(pixels[k])];
  }
  detail::ClassNumbers classes;
  for (const char c : labels.bytes.substr(label.size)) {
    classes.add(static_cast<unsigned char>(c));
  }
  classes.finish(out);
  return out;
}

Dataset load_idx(const std::string& images, const std::string& labels) {
  const detail::Bytes image = detail::read_whole_file(images, "a file of images in the idx format");
  const detail::Bytes label = detail::read_whole_file(labels, "a file of labels in the idx format");
  return parse_idx({detail::view(image), images}, {detail::view(label), labels});
}

}  // namespace kappa
