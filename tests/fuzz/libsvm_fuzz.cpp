// Any text is a consistent data set, or an Error of one line that names the file.
#include "data_checks.h"
#include "kappa/base.h"
#include "problems/io/data_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz_accepted = false;
  for (const kappa::Targets targets : {kappa::Targets::classes, kappa::Targets::numbers}) {
    try {
      fuzz_check_data(kappa::parse_libsvm(text, "input", {.targets = targets}));
      fuzz_accepted = true;
    } catch (const kappa::Error& error) {
      fuzz_check_message(error.what(), "input:");
    }
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {"+1 1:1 3:-2.5e-1 # comment\n-1 2:.5\n1\n", "3 5:1 2147483647:1e-300\n0 1:0\n",
          "0.5 1:1 2:1\n-2 7:3\n"};
}
