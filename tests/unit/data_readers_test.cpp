// The readers of data sets: what they take, and the sentence with which they refuse the rest.
#include <cstdint>
#include <string>
#include <vector>

#include "kappa/data.h"
#include "problems/io/data_text.h"
#include "problems/io/whole_file.h"
#include "support/catch.h"
#include "support/files.h"
#include "support/gzip.h"

namespace {

using namespace kappa;
using kappa::test::check_says;
using kappa::test::Folder;
using kappa::test::gzip;
using kappa::test::idx;
using kappa::test::message;

const std::string pixels("\x00\x33\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09", 12);
const std::string three_labels("\x07\x02\x07", 3);

std::string libsvm_says(const std::string& text, const LibsvmOptions& options = {}) {
  return message([&] { parse_libsvm(text, "file", options); });
}
std::string csv_says(const std::string& text, const CsvOptions& options = {}) {
  return message([&] { parse_csv(text, "file", options); });
}
std::string idx_says(const std::string& images, const std::string& labels) {
  return message([&] { parse_idx({images, "images"}, {labels, "labels"}); });
}

}  // namespace

TEST_CASE("a libsvm file is read as sparse rows with classes in rising order", "[data]") {
  const Dataset data =
      parse_libsvm("+1 1:1 3:-2.5e-1 # comment\n\n-1\t2:.5\r\n 1.0 4:0 7:1e3", "folder/set.txt");
  CHECK(data.name == "set");
  CHECK(data.samples() == 3);
  CHECK(data.features.size == 7);
  CHECK(data.features.sparse());
  CHECK(data.features.row_start == std::vector<Index>{0, 2, 3, 4});
  CHECK(data.features.column == std::vector<std::int32_t>{0, 2, 1, 6});
  CHECK(data.features.value == std::vector<double>{1, -0.25, 0.5, 1000});
  CHECK(data.classes == std::vector<std::string>{"-1", "1"});
  CHECK(data.label == std::vector<std::int32_t>{1, 0, 1});
  CHECK(data.target.empty());
}

TEST_CASE("a libsvm file may hold real targets and columns that it does not name", "[data]") {
  const Dataset data = parse_libsvm("0.5 1:1\n-2e3\n", "file", {.targets = Targets::numbers, .features = 5});
  CHECK(data.target == std::vector<double>{0.5, -2000});
  CHECK(data.outputs == 1);
  CHECK(data.features.size == 5);
  CHECK(data.label.empty());
  CHECK(data.classes.empty());
}

TEST_CASE("a malformed libsvm file is refused with its line", "[data]") {
  check_says(libsvm_says("1 1:1\n2 0:1\n"), {"file:2: ", "from 1 on", "'0:1'"});
  check_says(libsvm_says("1 3:1 3:2\n"), {"file:1: ", "rise within a line, above 3", "'3:2'"});
  check_says(libsvm_says("1 3:1 2:2\n"), {"file:1: ", "rise"});
  check_says(libsvm_says("1 1:1\n\n1 2:nan\n"), {"file:3: ", "finite number", "'nan'"});
  check_says(libsvm_says("1 1:inf\n"), {"file:1: ", "finite"});
  check_says(libsvm_says("1 1:1e999\n"), {"file:1: ", "range of a double"});
  check_says(libsvm_says("1 1:\n"), {"file:1: ", "the value behind an index", "the line ends here"});
  check_says(libsvm_says("1 1:2x\n"), {"file:1: ", "a number", "'2x'"});
  check_says(libsvm_says("1 1\n"), {"file:1: ", "index:value", "'1'"});
  check_says(libsvm_says("1 -1:1\n"), {"file:1: ", "from 1 on"});
  check_says(libsvm_says("1 99999999999999999999:1\n"), {"file:1: ", "from 1 to 2147483647"});
  check_says(libsvm_says("1 2147483648:1\n"), {"file:1: ", "from 1 to 2147483647"});
  check_says(libsvm_says("1 qid:3 1:1\n"), {"file:1: ", "ranked queries"});
  check_says(libsvm_says("1:2 3:4\n"), {"file:1: ", "label", "'1:2'"});
  check_says(libsvm_says("0.5 1:1\n"), {"file:1: ", "class label", "Targets::numbers"});
  check_says(libsvm_says("4e9 1:1\n"), {"file:1: ", "class label"});
  check_says(libsvm_says("1 1:1\n1 6:1\n", {.features = 5}), {"file:2: ", "at most 5"});
  check_says(libsvm_says(""), {"file:1: ", "holds none"});
  check_says(libsvm_says("# nothing\n\n"), {"file:1: ", "holds none"});
  check_says(libsvm_says(std::string("1 1:1\0", 6)), {"file:1: ", "zero bytes"});
}

TEST_CASE("a CSV file is read with or without a header, and with classes by name", "[data]") {
  const Dataset named =
      parse_csv("length,width,kind\n5.1, 3.5,setosa\n4.9,3,\"versicolor\"\r\n+6,2e0,setosa", "iris.csv");
  CHECK(named.name == "iris");
  CHECK(named.samples() == 3);
  CHECK(named.features.size == 2);
  CHECK_FALSE(named.features.sparse());
  CHECK(named.features.value == std::vector<double>{5.1, 3.5, 4.9, 3, 6, 2});
  CHECK(named.classes == std::vector<std::string>{"setosa", "versicolor"});
  CHECK(named.label == std::vector<std::int32_t>{0, 1, 0});

  const Dataset numbered = parse_csv("10;1;2\n9;3;4\n9.0;5;6\n", "file", {.target_column = 0});
  CHECK(numbered.classes == std::vector<std::string>{"9", "10"});
  CHECK(numbered.label == std::vector<std::int32_t>{1, 0, 0});
  CHECK(numbered.features.value == std::vector<double>{1, 2, 3, 4, 5, 6});

  const Dataset real =
      parse_csv("a title\nx,y\n1,-2.5\n3,4\n", "file", {.targets = Targets::numbers, .skip_lines = 1});
  CHECK(real.target == std::vector<double>{-2.5, 4});
  CHECK(real.features.value == std::vector<double>{1, 3});
}

TEST_CASE("a malformed CSV file is refused with its line", "[data]") {
  check_says(csv_says("1,2,a\n3,b\n"), {"file:2: ", "3 cells", "found 2"});
  check_says(csv_says("1,2,a\n3,4,5,b\n"), {"file:2: ", "found 4"});
  check_says(csv_says("x,y,k\n1,nan,a\n"), {"file:2: ", "column 1", "'nan'"});
  check_says(csv_says("1,2,a\n1,,a\n"), {"file:2: ", "column 1", "empty"});
  check_says(csv_says("1,2,a\n1,NA,a\n"), {"file:2: ", "'NA'"});
  check_says(csv_says("1,2,a\n1,1e999,a\n"), {"file:2: ", "range"});
  check_says(csv_says("1,2,a\n1,2,\n"), {"file:2: ", "class", "empty"});
  check_says(csv_says("1,2,3\n1,2,a\n", {.targets = Targets::numbers}), {"file:2: ", "column 2", "'a'"});
  check_says(csv_says("1,2,3\n", {.target_column = 3}), {"file:1: ", "column 3", "3 columns"});
  check_says(csv_says("1\n2\n"), {"file:1: ", "one column"});
  check_says(csv_says("x,y\n"), {"file:1: ", "no samples"});
  check_says(csv_says(""), {"file:1: ", "no samples"});
}

TEST_CASE("idx images and labels are read and scaled", "[data]") {
  const Dataset data = parse_idx({idx({3, 2, 2}, pixels), "set-idx3"}, {idx({3}, three_labels), "labels"});
  CHECK(data.samples() == 3);
  CHECK(data.features.size == 4);
  CHECK(data.features.value[1] == 0.2);
  CHECK(data.features.value[2] == 1.0);
  CHECK(data.features.value[11] == 9.0 / 255);
  CHECK(data.classes == std::vector<std::string>{"2", "7"});
  CHECK(data.label == std::vector<std::int32_t>{1, 0, 1});
}

TEST_CASE("a malformed idx file is refused with the byte", "[data]") {
  const std::string images = idx({3, 2, 2}, pixels);
  const std::string labels = idx({3}, three_labels);
  std::string other = images;
  other[0] = 'P';
  check_says(idx_says(other, labels), {"images: at byte 0, ", "two zero bytes"});
  other = images;
  other[2] = 13;
  check_says(idx_says(other, labels), {"images: at byte 2, ", "type 8", "type 13"});
  check_says(idx_says(labels, images), {"images: at byte 3, ", "exchanged"});
  check_says(idx_says(images, images), {"labels: at byte 3, ", "exchanged"});
  check_says(idx_says(images.substr(0, 3), labels), {"images: at byte 3, ", "ends here"});
  check_says(idx_says(images.substr(0, 10), labels), {"images: at byte 10, ", "cut short"});
  check_says(idx_says(images.substr(0, 20), labels), {"images: at byte 20, ", "3 x 2 x 2", "cut short"});
  check_says(idx_says(images + "x", labels), {"images: at byte 28, ", "padded"});
  check_says(idx_says(idx({3, 0, 2}, ""), labels), {"images: at byte 8, ", "at least 1"});
  check_says(idx_says(images, idx({2}, "\x01\x02")), {"labels: at byte 4, ", "expected 3 labels", "found 2"});
  // Counts whose product does not fit 64 bits must not wrap around to the file's size.
  const std::uint32_t huge = 1U << 31;
  check_says(idx_says(idx({huge, huge, huge, 4}, ""), labels), {"images: at byte 20, ", "cut short"});
}

TEST_CASE("a gzipped file is read by what it begins with, or refused where it is damaged", "[data]") {
  const Folder folder;
  const std::string text = "1 1:1\n-1 2:1\n";
  std::string longer;
  for (int i = 0; i < 20000; ++i) {
    longer += text;
  }
  const std::string plain = folder.with("set", text);
  CHECK(load_libsvm(plain).samples() == 2);
  check_says(message([&] { load_libsvm(folder.with("plain.gz", text)); }), {"plain.gz: ", "gzip"});
  check_says(message([&] { load_csv(folder / "absent.csv"); }), {"absent.csv: ", "cannot be read"});
  std::string unpacked;
  const std::string without = message([&] {
    const kappa::detail::Bytes bytes = kappa::detail::gunzip(gzip("ab") + gzip("") + gzip("c"), "name");
    unpacked.assign(bytes.begin(), bytes.end());
  });
  if (without.find("built without zlib") != std::string::npos) {
    return;
  }
  CHECK(unpacked == "abc");
  CHECK(load_libsvm(folder.with("set.gz", gzip(longer))).samples() == 40000);
  CHECK(load_libsvm(folder.with("packed", gzip(text))).samples() == 2);
  const std::string packed = gzip(longer);
  for (const std::size_t kept : {std::size_t(2), std::size_t(9), std::size_t(500), packed.size() - 5}) {
    check_says(message([&] { load_libsvm(folder.with("cut.gz", packed.substr(0, kept))); }),
               {"cut.gz: at byte " + std::to_string(kept), "cut short"});
  }
  std::string damaged = packed;
  damaged[1000] = 'x';  // the checksum no longer agrees
  check_says(message([&] { load_libsvm(folder.with("bad.gz", damaged)); }), {"bad.gz: at byte ", "damaged"});
  const Dataset images = load_idx(folder.with("i.gz", gzip(idx({3, 2, 2}, pixels))),
                                  folder.with("l.gz", gzip(idx({3}, three_labels))));
  CHECK(images.samples() == 3);
}

TEST_CASE("a validation set takes the classes of its training set", "[data]") {
  const Dataset train = parse_libsvm("3 1:1\n1 1:1\n2 1:1\n", "train");
  Dataset valid = parse_libsvm("3 1:1\n2 1:1\n3 1:1\n", "valid");
  CHECK(valid.label == std::vector<std::int32_t>{1, 0, 1});
  match_classes(train, valid);
  CHECK(valid.label == std::vector<std::int32_t>{2, 1, 2});
  CHECK(valid.classes == train.classes);
  Dataset foreign = parse_libsvm("4 1:1\n", "foreign");
  check_says(message([&] { match_classes(train, foreign); }), {"'foreign'", "'4'", "'train'"});
}
