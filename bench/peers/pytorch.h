// PyTorch, where an interpreter has it: the same network's derivatives in a process of its own
// (bench/peers/pytorch.py), which is told what to do and when, so that its runs stand between kappa's.
//
// The exact product is reverse mode over the kept graph of the gradient, as torch.autograd does Hessian
// products; the Gauss-Newton product takes the network's Jacobian twice, by reverse mode both times.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kappa/base.h"

namespace kappa::bench {

class PyTorch {
 public:
  /// `python` is the interpreter's name or path.
  explicit PyTorch(const std::string& python);
  ~PyTorch();

  bool available() const { return absence_.empty(); }
  /// "PyTorch 1.13.0 with libblas.so.3", or why it is not there.
  const std::string& version() const { return available() ? version_ : absence_; }

  /// A tanh network of these sizes and samples, at x and with v in products.
  struct Bed {
    std::vector<Index> sizes;
    bool single = false;
    ConstVectorRef x, v;
    std::vector<double> features;  ///< sample after sample
    std::vector<std::int32_t> labels;
  };
  void take(const Bed& bed);

  /// Of one run of "gradient", "exact" or "gauss-newton".
  double milliseconds(const std::string& work, int threads, double seconds);
  /// Its result, laid out like x.
  std::vector<double> value(const std::string& work);

 private:
  class Process;
  std::unique_ptr<Process> process_;
  std::string version_, absence_;
  std::size_t variables_ = 0;
};

}  // namespace kappa::bench
