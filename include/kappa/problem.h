// Problem and Evaluation: where derivatives come from, and the snapshot of them at one point.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "kappa/base.h"
#include "kappa/linearization.h"

namespace kappa {

/// How a request to stop reaches long work: a token and a deadline.
struct Interrupt {
  std::stop_token stop;
  std::optional<std::chrono::steady_clock::time_point> deadline;

  bool stop_requested() const { return stop.stop_requested(); }
  bool past_deadline() const { return deadline && std::chrono::steady_clock::now() >= *deadline; }
  bool requested() const { return stop_requested() || past_deadline(); }
};

enum class EvalStatus : std::uint8_t {
  ok,
  outside_domain,  ///< not defined or not finite here: the loop shortens the step
  failed,          ///< the evaluation broke down in a way that no shorter step mends
  interrupted      ///< the request's Interrupt asked to stop; nothing in the Evaluation is valid
};

/// What an evaluation should provide. Combine with |.
enum class Want : std::uint8_t { nothing = 0, value = 1, gradient = 2, linearization = 4 };

constexpr Want operator|(Want a, Want b) {
  return static_cast<Want>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
/// True where `all` is a subset of `have`.
constexpr bool includes(Want have, Want all) {
  return (static_cast<unsigned>(have) & static_cast<unsigned>(all)) == static_cast<unsigned>(all);
}

/// A subset of the problem's terms, or the whole sum (no terms named). Values and derivatives of a
/// sample are scaled by all terms / sampled terms, so that they estimate the whole sum.
struct Sample {
  std::uint64_t id = 0;          ///< 0 for the whole sum; draws are numbered from 1
  std::span<const Index> terms;  ///< distinct, each below Problem::terms()

  bool whole() const { return terms.empty(); }
};

struct Request {
  Want want = Want::value;
  ModelSet models;  ///< the models the linearization will be asked for
  /// A hint: their block matrices (Linearization::blocks) will be asked for at this point, so that a problem
  /// may assemble them as it is evaluated. A problem may also go by what was asked for at the last point.
  bool blocks = false;
  Sample sample = {};
  const Interrupt* interrupt = nullptr;
};

/// Snapshot of a problem at one point and one sample. A problem adds to it what is requested and
/// never takes away what is there. The loop owns the slots in which it lives and moves it between them.
struct Evaluation {
  std::vector<double> x;
  std::uint64_t sample = 0;
  Want have = Want::nothing;
  ModelSet models;
  double value = 0;
  std::vector<double> gradient;  ///< tangent_dimension() long
  /// First-order estimate of the rounding error of `value`, set with the linearization where the problem can
  /// tell: eps sum_i |r_i| sum_j |J_ij x_j| for least squares, whose residuals are small differences of large
  /// numbers. 0: no more is known than eps |value|.
  double value_rounding = 0;
  std::unique_ptr<Linearization> linearization;
  std::string fault;  ///< after a status other than ok: the residual block or parameter to blame

  /// Forgets everything but memory, for a new point.
  void reset(ConstVectorRef point, std::uint64_t sample_id) {
    x.assign(point.begin(), point.end());
    sample = sample_id;
    have = Want::nothing;
    models = {};
    value_rounding = 0;
    fault.clear();
  }
};

/// Bounds on the variables: lower <= x <= upper, where a side may be infinite and equal bounds fix a
/// variable. Both are empty where there are none, otherwise tangent_dimension() long. Entry i is for
/// x[coordinate[i]], which tangent entry i moves along a straight line; `coordinate` may be empty where that
/// is x[i] throughout. Tangent entries of a manifold have infinite bounds.
struct Bounds {
  ConstVectorRef lower;
  ConstVectorRef upper;
  std::span<const Index> coordinate;
  bool empty() const { return lower.empty() && upper.empty(); }
};

/// Entries [begin, begin + size) of steps and gradients. Those of a parameter block that is held constant
/// have begin -1: they are no part of a step.
struct TangentRange {
  Index begin = -1;
  Index size = 0;

  bool constant() const { return begin < 0; }
};

/// A motion of all variables that leaves f as it is, to first order: a gauge freedom, as is moving a whole
/// bundle problem along an axis.
struct Symmetry {
  std::string name;               ///< "translation x"
  std::vector<double> direction;  ///< tangent_dimension() long, of any length
};

/// What people judge a solution by, beside f: "accuracy 0.89".
struct Measure {
  std::string name;
  double value = 0;
  enum class Better : std::uint8_t { lower, higher } better = Better::lower;
};

/// A function to be minimised: f : R^dimension -> R, possibly a sum of terms, possibly on a manifold.
///
/// All derivatives are those of step -> f(retract(x, step)) at step 0, so they have
/// tangent_dimension() entries. A problem does not change while it is solved; evaluate is thread-safe.
class Problem {
 public:
  virtual ~Problem() = default;

  virtual Index dimension() const = 0;
  virtual Index tangent_dimension() const { return dimension(); }
  /// They stay as they are, and where they are, while the problem is solved. The problem is evaluated inside.
  virtual Bounds bounds() const { return {}; }

  /// Terms of the sum that samples are drawn from; 1 where the problem is no sum.
  virtual Index terms() const { return 1; }

  /// Number of residuals where f = 1/2 |r|^2 (or a robust version of it), otherwise 0.
  virtual Index residuals() const { return 0; }

  /// The second-order models that linearizations of this problem can provide.
  virtual ModelSet models() const = 0;

  /// Adds to `evaluation` (whose x and sample are set) what the request wants and it does not have.
  virtual EvalStatus evaluate(const Request& request, Evaluation& evaluation) const = 0;

  /// out = x moved by `step` (tangent_dimension() long).
  virtual void retract(ConstVectorRef x, ConstVectorRef step, VectorRef out) const;
  /// step with retract(x, step) = y.
  virtual void local(ConstVectorRef x, ConstVectorRef y, VectorRef step) const;
  /// The tangent vector v at x carried to y = retract(x, step), so that g(y)'transport(d) is the slope along
  /// d.
  virtual void transport(ConstVectorRef x, ConstVectorRef step, ConstVectorRef v, VectorRef out) const;

  /// How large x is, in tangent entries: what the length of a step is compared with. On R^n it is x;
  /// otherwise 0, which says nothing, unless overridden.
  virtual void tangent_scale(ConstVectorRef x, VectorRef out) const;

  /// Moves x to a point of no larger value by minimising over an independent set of its variables, such as
  /// the points of a bundle, with the others fixed; at most `steps` steps each, cut short where `interrupt`
  /// (may be null) asks for it. Returns by how much that lowered the value, to rounding, or nothing where the
  /// problem has no such set; x is then as it was. Entries with bounds stay where they are. Thread-safe.
  virtual std::optional<double> refine(VectorRef x, Index steps, const Interrupt* interrupt) const;

  /// Of a step from `from` to `x`, takes the parts back that went astray by themselves, such as that of a
  /// point which a long step has carried through a camera: moves blocks of an independent set of variables
  /// back along their parts of the step, to where their terms are no larger than if they had stayed. Returns
  /// how many were moved, or nothing where the problem has no such set; x is then as it was. Thread-safe.
  virtual std::optional<Index> backtrack(ConstVectorRef from, VectorRef x, const Interrupt* interrupt) const;

  /// What to call variable i in messages: "x[3]", or "camera 2, entry 5".
  virtual std::string variable_name(Index i) const;

  /// What to call the parameter block that tangent entry i belongs to: "camera 2".
  virtual std::string block_name(Index i) const { return variable_name(i); }

  /// The symmetries f is known to have at x as far as all variables are free; what is held may break them.
  virtual std::vector<Symmetry> symmetries(ConstVectorRef) const { return {}; }

  /// The measures of a solution on this problem's data, such as the share of samples that are classified
  /// rightly; empty where there are none. Thread-safe.
  virtual std::vector<Measure> measures(ConstVectorRef /*x*/) const { return {}; }

  /// Facts a result should mention: which derivatives are finite differences, for example.
  virtual std::vector<std::string> notes(ModelSet) const { return {}; }
};

}  // namespace kappa
