// Any bytes are decompressed within bounds, or an Error of one line that names the file.
#include "fuzz.h"
#include "kappa/base.h"
#include "problems/io/whole_file.h"
#include "support/gzip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view packed(reinterpret_cast<const char*>(data), size);
  fuzz_accepted = false;
  try {
    const kappa::detail::Bytes bytes = kappa::detail::gunzip(packed, "input");
    fuzz_check(bytes.size() <= 1032 * size, "more bytes than deflate can pack");
    fuzz_accepted = true;
  } catch (const kappa::Error& error) {
    fuzz_check_message(error.what(), "input:");
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  // The second was packed by a compressor: 40 times "1 1:1\n".
  const std::string packed(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x33\x54\x30\xb4\x32\xe4\x32\x1c\x31\x24\x00\x72\xd4\x12\x58"
      "\xf0\x00\x00\x00",
      29);
  return {kappa::test::gzip("1 1:1\n-1 2:1\n"), packed, kappa::test::gzip("ab") + kappa::test::gzip("c")};
}
