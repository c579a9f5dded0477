// Any text is a consistent data set, or an Error of one line that names the file.
#include "data_checks.h"
#include "kappa/base.h"
#include "problems/io/data_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz_accepted = false;
  for (const kappa::Targets targets : {kappa::Targets::classes, kappa::Targets::numbers}) {
    try {
      fuzz_check_data(kappa::parse_csv(text, "input", {.targets = targets}));
      fuzz_accepted = true;
    } catch (const kappa::Error& error) {
      fuzz_check_message(error.what(), "input:");
    }
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  return {"a,b,kind\n1,2,x\n3,-4e5,\"y\"\n", "1;2;3\n4;5;6.0\n", "1\t2\n3\t4\n"};
}
