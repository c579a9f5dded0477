// Runs a fuzz target on mutations of its seeds, the same ones for the same --seed, until the time is over:
//
//   fuzz_g2o [--seconds 20] [--runs N] [--seed 1]     the input that fails is shown and kept as
//   fuzz_g2o.failed fuzz_g2o FILE...                                  runs these files, to see a failure
//   again fuzz_g2o --write-seeds FOLDER                     for a coverage-guided fuzzer
//
// A mutation flips bits, cuts, repeats, swaps or joins pieces, or puts an awkward number in the place of one.
// Inputs that are accepted are mutated further. An input that takes more than two seconds, or makes the
// program grow by more than 512 MB, is a failure too.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "fuzz.h"
#include "kappa/random.h"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using Clock = std::chrono::steady_clock;

std::string program;
const std::string* running = nullptr;
std::uint64_t run_number = 0;

/// Shows and keeps the input at hand; also called while the program is dying.
void report() {
  if (running == nullptr) {
    return;
  }
  const std::string& input = *std::exchange(running, nullptr);
  std::fprintf(stderr, "\n%s: run %llu failed on these %zu bytes:\n", program.c_str(),
               static_cast<unsigned long long>(run_number), input.size());
  for (std::size_t i = 0; i < std::min<std::size_t>(input.size(), 4000); ++i) {
    const auto c = static_cast<unsigned char>(input[i]);
    if ((c >= ' ' && c <= '~' && c != '\\') || c == '\n') {
      std::fputc(c, stderr);
    } else {
      std::fprintf(stderr, "\\x%02x", c);
    }
  }
  const std::string kept = program + ".failed";
  if (std::FILE* file = std::fopen(kept.c_str(), "wb")) {
    std::fwrite(input.data(), 1, input.size(), file);
    std::fclose(file);
    std::fprintf(stderr, "\n%s: kept as %s\n", program.c_str(), kept.c_str());
  }
}

void on_signal(int signal) {
  report();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

[[noreturn]] void fail(const char* why) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), why);
  report();
  std::exit(1);
}

long megabytes_at_most() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

/// Whether the target took the input as valid.
bool run(const std::string& input) {
  running = &input;
  ++run_number;
  const long before = megabytes_at_most();
  const auto begin = Clock::now();
  try {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  } catch (const std::exception& error) {
    fail(error.what());
  } catch (...) {
    fail("something was thrown that is no std::exception");
  }
  if (Clock::now() - begin > std::chrono::seconds(2)) {
    fail("the input took more than two seconds");
  }
  if (megabytes_at_most() > before + 512) {
    fail("the input took more than 512 MB");
  }
  running = nullptr;
  return fuzz_accepted;
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : draw_(seed) {}

  std::size_t below(std::size_t n) {
    return static_cast<std::size_t>(
        draw_.below(static_cast<kappa::Index>(std::max<std::size_t>(1, n)), next_++));
  }

  std::string operator()(const std::vector<std::string>& pool) {
    std::string text = pool[below(pool.size())];
    for (std::size_t times = 1 + below(4); times > 0; --times) {
      mutate(text, pool);
    }
    constexpr std::size_t longest = 1 << 18;
    text.resize(std::min(text.size(), longest));
    return text;
  }

 private:
  void mutate(std::string& text, const std::vector<std::string>& pool) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t piece = std::min(text.size() - at, 1 + below(1 + below(64)));
    switch (below(10)) {
      case 0:
        if (at < text.size()) {
          text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        }
        break;
      case 1:
        text.resize(at);
        break;
      case 2:
        text.erase(at, piece);
        break;
      case 3:
        text.insert(at, text.substr(at, piece));
        break;
      case 4: {
        const std::string& other = pool[below(pool.size())];
        text = text.substr(0, at) + other.substr(below(other.size() + 1));
        break;
      }
      case 5:
        text.insert(at, 1, static_cast<char>(below(256)));
        break;
      case 6:
        swap_lines(text, at);
        break;
      default:
        edit_number(text, at);
    }
  }

  /// The first number behind `at` becomes an awkward one.
  void edit_number(std::string& text, std::size_t at) {
    static constexpr const char* awkward[] = {"0",
                                              "-1",
                                              "1",
                                              "2",
                                              "1e999",
                                              "-1e999",
                                              "1e-999",
                                              "nan",
                                              "inf",
                                              "-0",
                                              "1e308",
                                              "0x1p",
                                              "1.",
                                              ".5",
                                              "+3",
                                              "--1",
                                              "",
                                              "1e",
                                              "1e+9",
                                              "2147483647",
                                              "2147483648",
                                              "9223372036854775807",
                                              "9223372036854775808",
                                              "-9223372036854775808",
                                              "18446744073709551616",
                                              "0.1e1",
                                              "000000000000000000000000000007",
                                              "3,5",
                                              "1e-310"};
    const auto in_number = [](char c) { return std::strchr("0123456789.+-eE", c) != nullptr && c != '\0'; };
    while (at < text.size() && !in_number(text[at])) {
      ++at;
    }
    std::size_t end = at;
    while (end < text.size() && in_number(text[end])) {
      ++end;
    }
    text.replace(at, end - at, awkward[below(std::size(awkward))]);
  }

  void swap_lines(std::string& text, std::size_t at) {
    const std::size_t first = text.find('\n', at);
    const std::size_t second = first == std::string::npos ? first : text.find('\n', first + 1);
    if (second != std::string::npos) {
      std::rotate(text.begin() + static_cast<std::ptrdiff_t>(at),
                  text.begin() + static_cast<std::ptrdiff_t>(first + 1),
                  text.begin() + static_cast<std::ptrdiff_t>(second + 1));
    }
  }

  kappa::CounterRandom draw_;
  std::uint64_t next_ = 0;
};

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s: %s cannot be read\n", program.c_str(), path);
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Arguments {
  double seconds = 20;
  std::uint64_t runs = ~std::uint64_t{0};
  std::uint64_t seed = 1;
  std::string seeds_folder;
  std::vector<const char*> files;
};

Arguments parse(int count, char** given) {
  Arguments out;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = given[i];
    const char* const value = i + 1 < count ? given[i + 1] : "";
    if (name == "--seconds") {
      out.seconds = std::strtod(value, nullptr);
    } else if (name == "--runs") {
      out.runs = std::strtoull(value, nullptr, 10);
    } else if (name == "--seed") {
      out.seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--write-seeds") {
      out.seeds_folder = value;
    } else {
      out.files.push_back(given[i]);
      continue;
    }
    ++i;
  }
  return out;
}

void mutate_until_done(const Arguments& arguments, std::vector<std::string> pool) {
  const auto end = Clock::now() + std::chrono::duration<double>(arguments.seconds);
  const std::size_t seeds = pool.size();
  constexpr std::size_t room = 64;
  Mutator mutate(arguments.seed);
  std::uint64_t accepted = 0;
  while (Clock::now() < end && run_number < arguments.runs) {
    const std::string input = mutate(pool);
    if (!run(input)) {
      continue;
    }
    ++accepted;
    if (pool.size() < seeds + room) {
      pool.push_back(input);
    } else {
      pool[seeds + mutate.below(room)] = input;
    }
  }
  std::printf("%s: %llu inputs, %llu of them valid, no failure\n", program.c_str(),
              static_cast<unsigned long long>(run_number), static_cast<unsigned long long>(accepted));
}

}  // namespace

int main(int count, char** given) {
  program = given[0];
  program.erase(0, program.find_last_of('/') + 1);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(report);
  } else {
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
      std::signal(signal, on_signal);
    }
  }
  const Arguments arguments = parse(count, given);
  for (const char* file : arguments.files) {
    run(read_file(file));
  }
  if (!arguments.files.empty()) {
    return 0;
  }
  const std::vector<std::string> seeds = fuzz_seeds();
  for (std::size_t i = 0; i < seeds.size() && !arguments.seeds_folder.empty(); ++i) {
    std::ofstream(arguments.seeds_folder + "/" + std::to_string(i), std::ios::binary) << seeds[i];
  }
  if (!arguments.seeds_folder.empty()) {
    return 0;
  }
  for (const std::string& seed : seeds) {
    if (!run(seed)) {
      running = &seed;
      fail("a seed is not valid");
    }
  }
  mutate_until_done(arguments, seeds);
  std::error_code ignored;
  std::filesystem::remove(fuzz_scratch(), ignored);
  return 0;
}
