#include "bench/peers/pytorch.h"

#include <cstdlib>

#include "bench/child.h"
#include "bench/peers/pytorch_script.h"

namespace kappa::bench {

class PyTorch::Process : public Child {
 public:
  using Child::Child;

  template <class T>
  void send(std::span<const T> numbers) {
    require(write(numbers.data(), numbers.size_bytes()));
  }
  void send(const std::string& text) { require(write(text + "\n")); }
  static void require(bool well) {
    if (!well) {
      throw Error("network: PyTorch's process ended; --peers none leaves it out");
    }
  }
};

PyTorch::PyTorch(const std::string& python)
    : process_(std::make_unique<Process>(std::vector<std::string>{python, "-c", pytorch_script})) {
  const std::optional<std::string> greeting = process_->line();
  if (!greeting) {
    absence_ = "PyTorch is absent: '" + python + "' could not be run";
  } else if (greeting->starts_with("ready ")) {
    version_ = greeting->substr(6);
  } else {
    absence_ = "PyTorch is absent: " + python + ": " + greeting->substr(greeting->find(' ') + 1);
  }
}

PyTorch::~PyTorch() = default;

void PyTorch::take(const Bed& bed) {
  std::string sizes;
  for (const Index size : bed.sizes) {
    sizes += (sizes.empty() ? "" : "-") + std::to_string(size);
  }
  variables_ = bed.x.size();
  process_->send("network " + sizes + " " + std::to_string(bed.labels.size()) +
                 (bed.single ? " single" : " double"));
  process_->send<double>(bed.x);
  process_->send<double>(bed.v);
  process_->send<double>(bed.features);
  process_->send<std::int32_t>(bed.labels);
}

double PyTorch::milliseconds(const std::string& work, int threads, double seconds) {
  process_->send("threads " + std::to_string(threads));
  process_->send("time " + work + " " + std::to_string(seconds));
  const std::optional<std::string> answer = process_->line();
  Process::require(answer.has_value());
  return std::strtod(answer->c_str(), nullptr);
}

std::vector<double> PyTorch::value(const std::string& work) {
  process_->send("value " + work);
  std::vector<double> out(variables_);
  Process::require(process_->read(out.data(), out.size() * sizeof(double)));
  return out;
}

}  // namespace kappa::bench
