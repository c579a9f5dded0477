// Any bytes, cut in two files, are a consistent data set or an Error of one line that names one of them.
#include "data_checks.h"
#include "kappa/base.h"
#include "problems/io/data_text.h"
#include "support/gzip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  fuzz_accepted = false;
  // The first byte says how long the file of labels is.
  const std::size_t labels = size == 0 ? 0 : std::min<std::size_t>(data[0], size - 1);
  const std::string_view rest = bytes.substr(std::min<std::size_t>(1, size));
  try {
    fuzz_check_data(kappa::parse_idx({rest.substr(labels), "input"}, {rest.substr(0, labels), "input"}));
    fuzz_accepted = true;
  } catch (const kappa::Error& error) {
    fuzz_check_message(error.what(), "input:");
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  const auto both = [](const std::string& images, const std::string& labels) {
    return static_cast<char>(labels.size()) + labels + images;
  };
  using kappa::test::idx;
  return {both(idx({2, 2, 2}, "abcdefgh"), idx({2}, "\x01\x02")),
          both(idx({3, 1}, "abc"), idx({3}, "\x01\x01\x09"))};
}
