// Any text is a bundle that is written and read to the same bits, or an Error of one line that names the
// file.
#include "fuzz.h"
#include "kappa/base.h"
#include "problems/io/bal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz_accepted = false;
  try {
    const kappa::BalProblem problem = kappa::parse_bal(text, "input");
    const kappa::BalCoverage covered = coverage(problem);
    fuzz_check(covered.cameras_unseeing < problem.cameras, "observations without a camera");
    kappa::write_bal(problem, fuzz_scratch());
    fuzz_check(kappa::read_bal(fuzz_scratch()) == problem, "a bundle changes when written and read");
    fuzz_accepted = true;
  } catch (const kappa::Error& error) {
    fuzz_check_message(error.what(), "input:");
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  const auto numbers = [](int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      out += std::to_string(0.25 * i - 1) + "\n";
    }
    return out;
  };
  return {"1 1 1\n0 0 1.5 -2.5e-3\n" + numbers(12),
          "2 1 2\n0 0     -3.859900e+02 3.871200e+02\n1 0 1.5 2\n" + numbers(21),
          "1 3 3\n0 0 1 1\n0 2 1 1\n0 1 -1 1e-5\n" + numbers(18)};
}
