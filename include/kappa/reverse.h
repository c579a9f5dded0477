// Reverse differentiation: all n partial derivatives of one output for a small multiple of the cost of
// the output itself, however large n is. The computation is recorded on a tape as a list of nodes,
// each with up to two parents and the partial derivatives by them; one backward pass then propagates
//
//     adjoint(parent) += adjoint(node) * d node / d parent.
//
// With S = double that yields a gradient; with S = Jet<double, K> the same pass also yields K
// directional derivatives of the gradient, exactly: K columns of the Hessian, or products H v
// (forward over reverse, Pearlmutter, Fast exact multiplication by the Hessian, 1994). Most programs
// want the functions of differentiate.h, which use this.
//
// Cost: about 4 times the arithmetic of the output for the gradient, plus the traffic of the tape: near
// 4 ns for each recorded operation with S = double, so 5 to 40 times the running time of the plain
// function, the more the cheaper its operations are. Memory 24 bytes for each recorded operation with
// S = double (8 + 2 sizeof(S) in general). A tape keeps its memory from one recording to the next.
//
// Reference: Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008), sections 3.2 and 4.6.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "kappa/base.h"
#include "kappa/elementary.h"

namespace kappa {

template <class S>
class Tape;

namespace detail {

// Each thread records on its own tape, so threads do not meet.
template <class S>
inline constinit thread_local Tape<S>* active_tape = nullptr;

}  // namespace detail

/// A recorded number: its value `a` and the node that computed it. A Var made from a plain number is a
/// constant, belongs to no tape and costs no node. Any other Var is valid until its tape is cleared,
/// and only while that tape is the active one.
template <class S>
class Var {
 public:
  using Scalar = S;
  static constexpr int order = 1;
  /// The node of a constant.
  static constexpr std::uint32_t none = 0;

  S a;
  std::uint32_t node;

  constexpr Var() : a(0), node(none) {}
  constexpr Var(const S& value) : a(value), node(none) {}
  template <class U>
  requires(ScalarFor<U, Var> && !std::same_as<U, S>) constexpr Var(const U& value)
      : a(detail::as_scalar<S>(value)), node(none) {}

  friend Var operator-(const Var& x) { return record(-x.a, x, S(-1)); }
  friend Var operator+(const Var& x, const Var& y) { return record(x.a + y.a, x, S(1), y, S(1)); }
  friend Var operator-(const Var& x, const Var& y) { return record(x.a - y.a, x, S(1), y, S(-1)); }
  friend Var operator*(const Var& x, const Var& y) { return record(x.a * y.a, x, y.a, y, x.a); }
  friend Var operator/(const Var& x, const Var& y) {
    const S quotient = x.a / y.a;
    const S inverse = 1 / y.a;
    return record(quotient, x, inverse, y, -quotient * inverse);
  }
  // A shift has derivative one, so it needs no node of its own.
  template <ScalarFor<Var> U>
  friend Var operator+(const Var& x, const U& s) {
    return Var(x.a + detail::as_scalar<S>(s), x.node);
  }
  template <ScalarFor<Var> U>
  friend Var operator*(const Var& x, const U& s) {
    return record(x.a * detail::as_scalar<S>(s), x, S(detail::as_scalar<S>(s)));
  }
  template <ScalarFor<Var> U>
  friend Var operator/(const Var& x, const U& s) {
    return record(x.a / detail::as_scalar<S>(s), x, S(1 / detail::as_scalar<S>(s)));
  }

  // The chain rule, through which every function in elementary.h enters.
  friend Var compose(const Var& x, const detail::Unary<1, S>& u) { return record(u.f, x, u.d); }
  friend Var compose(const Var& x, const Var& y, const detail::Binary<1, S>& b) {
    return record(b.f, x, b.dx, y, b.dy);
  }
  friend constexpr bool is_constant(const Var& x) { return x.node == none; }

 private:
  friend class Tape<S>;
  constexpr Var(const S& value, std::uint32_t n) : a(value), node(n) {}

  static Var record(const S& value, const Var& x, const S& dx) {
    return x.node == none ? Var(value) : Var(value, on_tape().append(x.node, dx, none, S(0)));
  }
  static Var record(const S& value, const Var& x, const S& dx, const Var& y, const S& dy) {
    return (x.node | y.node) == none ? Var(value) : Var(value, on_tape().append(x.node, dx, y.node, dy));
  }
  static Tape<S>& on_tape() {
    Tape<S>* tape = detail::active_tape<S>;
    expects(tape != nullptr, "Var: an operation on a variable while no Tape::Recording is alive");
    return *tape;
  }
};

/// The record of one computation.
template <class S>
class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Clears the tape and makes it the calling thread's active one; the destructor brings back the one
  /// that was active before.
  class Recording {
   public:
    explicit Recording(Tape& tape) : before_(detail::active_tape<S>) {
      tape.clear();
      detail::active_tape<S> = &tape;
    }
    ~Recording() { detail::active_tape<S> = before_; }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

   private:
    Tape* before_;
  };

  /// Forgets all nodes and inputs, keeps the memory.
  void clear() {
    count_ = 1;  // node 0 stands for every constant; what flows into it is not read
    inputs_ = 0;
  }

  /// An independent variable. All inputs come before the first operation.
  Var<S> input(const S& value) {
    expects(count_ == inputs_ + 1, "Tape::input: an operation was recorded before this input");
    ++inputs_;
    return Var<S>(value, append(Var<S>::none, S(0), Var<S>::none, S(0)));
  }

  /// inputs(): how many; size(): how many nodes, inputs included.
  std::size_t inputs() const { return inputs_; }
  std::size_t size() const { return count_ - 1; }

  /// Vectors that the functions of differentiate.h need beside the tape, kept for the next call.
  struct Scratch {
    std::vector<Var<S>> inputs, outputs;
    std::vector<S> points, gradient;
  };
  Scratch scratch;

  /// out[i] = d output / d input i. `out` has one entry for each input.
  void gradient(const Var<S>& output, std::span<S> out) {
    start(output.node);
    seed(output, S(1));
    sweep(out);
  }

  /// out[i] = sum_k weights[k] d outputs[k] / d input i.
  void weighted_gradient(std::span<const Var<S>> outputs, ConstVectorRef weights, std::span<S> out) {
    expects(outputs.size() == weights.size(), "Tape::weighted_gradient: one weight for each output");
    std::uint32_t last = 0;
    for (const Var<S>& output : outputs) {
      last = std::max(last, output.node);
    }
    start(last);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      seed(outputs[k], S(weights[k]));
    }
    sweep(out);
  }

 private:
  friend class Var<S>;

  struct Node {
    std::uint32_t parent[2];
    S partial[2];
  };

  std::uint32_t append(std::uint32_t x, const S& dx, std::uint32_t y, const S& dy) {
    if (count_ == nodes_.size()) [[unlikely]] {
      grow();
    }
    Node& node = nodes_[count_];
    node.parent[0] = x;
    node.parent[1] = y;
    node.partial[0] = dx;
    node.partial[1] = dy;
    return static_cast<std::uint32_t>(count_++);
  }

  // Apart from append, which is inlined into every operation and must stay small.
  [[gnu::noinline]] void grow() { nodes_.resize(2 * nodes_.size()); }

  void start(std::uint32_t last) {
    expects(count_ <= std::numeric_limits<std::uint32_t>::max(),
            "Tape: more than 2^32 operations; split the function into a sum of terms");
    expects(last < count_, "Tape: the output belongs to another tape, or to one cleared since");
    adjoints_.assign(std::max<std::size_t>(last, inputs_) + 1, S(0));
  }

  void seed(const Var<S>& output, const S& weight) { adjoints_[output.node] += weight; }

  void sweep(std::span<S> out) {
    expects(out.size() == inputs_, "Tape: the gradient has one entry for each input");
    for (std::size_t k = adjoints_.size() - 1; k > inputs_; --k) {
      const S& adjoint = adjoints_[k];
      // A node the output does not depend on may have an infinite partial, which must not become NaN.
      if (detail::is_zero(adjoint)) {
        continue;
      }
      const Node& node = nodes_[k];
      adjoints_[node.parent[0]] += adjoint * node.partial[0];
      adjoints_[node.parent[1]] += adjoint * node.partial[1];
    }
    for (std::size_t i = 0; i < inputs_; ++i) {
      out[i] = adjoints_[i + 1];
    }
  }

  std::vector<Node> nodes_ = std::vector<Node>(256);  // the first count_ are in use
  std::size_t count_ = 1;
  std::vector<S> adjoints_;
  std::size_t inputs_ = 0;
};

}  // namespace kappa
