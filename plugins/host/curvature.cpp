// A plugin's curvature as a Curvature.
#include "kappa/curvature.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plugins/host/bridges.h"
#include "plugins/host/claims.h"
#include "plugins/host/object.h"
#include "plugins/host/parts.h"

namespace kappa::detail {
namespace {

using Object = PluginObject<kappa_curvature>;

/// The operator of the last refresh. What cannot be computed becomes NaN, which every step solver refuses.
class PluginOperator final : public SymmetricOperator {
 public:
  PluginOperator(const Object& object, const PointBridge& now) : object_(object), now_(now) {}

  /// The curvature needs block matrices at every point.
  void ask_for_blocks() { asks_for_blocks_ = true; }

  /// False, with the fault said, where the table is not one of an operator of this size.
  bool attach(const kappa_operator* table, Index size) {
    table_ = nullptr;
    size_ = size;
    blocks_read_ = false;
    if (table == nullptr || table->struct_size < offsetof(kappa_operator, diagonal) ||
        table->struct_size > largest_table || table->multiply == nullptr) {
      object_.fault().say("at_point gives no operator with a multiply");
      return false;
    }
    if (table->size != size) {
      object_.fault().say("its operator is for " + std::to_string(table->size) +
                          " variables, the problem has " + std::to_string(size));
      return false;
    }
    table_ = table;
    return true;
  }

  Index size() const override { return size_; }

  void multiply(ConstVectorRef v, VectorRef out) const override {
    if (!keeps_its_word() || call("multiply", [&](kappa_text) {
                               return table_->multiply(table_->self, v.data(), out.data());
                             }) != KAPPA_OK) {
      std::fill(out.begin(), out.end(), std::numeric_limits<double>::quiet_NaN());
    }
  }
  Definiteness definiteness() const override {
    return table_->definiteness == KAPPA_POSITIVE_SEMIDEFINITE ? Definiteness::positive_semidefinite
                                                               : Definiteness::unknown;
  }
  bool diagonal(VectorRef out) const override {
    const auto f = entry(table_, &kappa_operator::diagonal);
    return f != nullptr &&
           call("diagonal", [&](kappa_text) { return f(table_->self, out.data()); }) == KAPPA_OK &&
           (hands_on() || agrees(claims_.diagonal(*this, out)));
  }
  bool dense(MatrixRef out) const override {
    const auto f = entry(table_, &kappa_operator::dense);
    return f != nullptr &&
           call("dense", [&](kappa_text) { return f(table_->self, out.data, out.stride); }) == KAPPA_OK &&
           agrees(claims_.dense(*this, {out.data, out.rows, out.cols, out.stride}));
  }
  const BlockMatrix* blocks() const override {
    if (!blocks_read_) {
      blocks_ = read_blocks();
      blocks_read_ = true;
    }
    return blocks_;
  }
  const Root* root() const override {
    const auto f = entry(table_, &kappa_operator::root);
    kappa_root given{};
    given.struct_size = sizeof given;
    if (f == nullptr || !answers(call("root", [&](kappa_text) { return f(table_->self, &given); }))) {
      return nullptr;
    }
    if (const Root* original = now_.original(given)) {
      return original;
    }
    if (given.A == nullptr || given.rows < 0 || given.rows > most_rows || given.stride < given.rows) {
      object_.fault().say("root gives no matrix: " + std::to_string(given.rows) + " rows with stride " +
                          std::to_string(given.stride));
      return nullptr;
    }
    root_.A = {given.A, given.rows, size_, given.stride};
    root_.c =
        given.c == nullptr ? ConstVectorRef() : ConstVectorRef(given.c, static_cast<std::size_t>(given.rows));
    return agrees(claims_.root(*this, root_)) ? &root_ : nullptr;
  }
  bool second_directional(ConstVectorRef v, VectorRef out) const override {
    const auto f = entry(table_, &kappa_operator::second_directional);
    return f != nullptr && call("second_directional", [&](kappa_text) {
                             return f(table_->self, v.data(), out.data());
                           }) == KAPPA_OK;
  }
  SolveKind solve_kind() const override {
    if (entry(table_, &kappa_operator::solve_damped) == nullptr) {
      return SolveKind::absent;
    }
    return table_->solve_kind == KAPPA_SOLVE_EXACT         ? SolveKind::exact
           : table_->solve_kind == KAPPA_SOLVE_APPROXIMATE ? SolveKind::approximate
                                                           : SolveKind::absent;
  }
  bool solve_damped(double lambda, ConstVectorRef weights, ConstVectorRef rhs, VectorRef out) const override {
    const auto f = entry(table_, &kappa_operator::solve_damped);
    return f != nullptr && call("solve_damped", [&](kappa_text) {
                             return f(table_->self, lambda, weights.data(), rhs.data(), out.data());
                           }) == KAPPA_OK;
  }
  /// An entry may answer KAPPA_ABSENT on a problem that has no such form. Steps are chosen by root and then
  /// by blocks, which are therefore asked for in this order, once in a solve.
  Offers offers() const override {
    if (!offers_) {
      const bool rooted = entry(table_, &kappa_operator::root) != nullptr && !absent_root();
      offers_ =
          Offers{.diagonal = entry(table_, &kappa_operator::diagonal) != nullptr,
                 .dense = entry(table_, &kappa_operator::dense) != nullptr,
                 .blocks = entry(table_, &kappa_operator::blocks) != nullptr && (rooted || !absent_blocks()),
                 .root = rooted};
    }
    return *offers_;
  }

  /// A new solve: what its operators claim is looked over anew.
  void start() {
    table_ = nullptr;
    claims_.start();
    hands_on_.reset();
    offers_.reset();
  }

  /// Whether multiply is a finite symmetric map, and positive semidefinite if it says so, as far as two
  /// vectors tell; looked at once in a solve.
  bool keeps_its_word() const {
    if (looking_) {
      return true;
    }
    looking_ = true;
    const bool out = agrees(claims_.product(*this));
    looking_ = false;
    return out;
  }

  /// Whether the root of a small problem, or the blocks of a large one, which will be asked for, are the
  /// point's own. Then there is nothing to look at before multiply itself is used. Asked once in a solve.
  bool hands_on() const {
    if (!hands_on_) {
      constexpr Index small = 32;
      hands_on_ = size_ <= small ? hands_root_on() : hands_blocks_on();
    }
    return *hands_on_;
  }

 private:
  bool answers(kappa_status status) const {
    absent_ = status == KAPPA_ABSENT;
    return status == KAPPA_OK;
  }
  /// A form that is there but wrong is not absent: who takes it is told so.
  bool absent_blocks() const {
    blocks_read_ = false;
    return blocks() == nullptr && absent_;
  }
  bool absent_root() const { return root() == nullptr && absent_; }

  bool hands_root_on() const {
    const Root* own = root();
    return own != nullptr && own != &root_;
  }
  bool hands_blocks_on() const { return asks_for_blocks_ && blocks() != nullptr && blocks_ != &copy_; }

  static constexpr std::uint64_t largest_table = 4096;
  static constexpr Index most_rows = Index{1} << 40;

  template <class F>
  kappa_status call(const char* function, const F& f) const {
    return object_.call(function, f);
  }

  /// Says the broken claim, if there is one.
  bool agrees(const std::string& broken) const {
    if (!broken.empty()) {
      object_.fault().say(broken);
    }
    return broken.empty();
  }

  /// The point's own matrix where the plugin hands it on, otherwise a copy.
  const BlockMatrix* read_blocks() const {
    const auto f = entry(table_, &kappa_operator::blocks);
    kappa_blocks given{};
    given.struct_size = sizeof given;
    if (f == nullptr || !answers(call("blocks", [&](kappa_text) { return f(table_->self, &given); }))) {
      return nullptr;
    }
    if (const BlockMatrix* original = now_.original(given)) {
      return original;
    }
    if (!copy(given)) {
      object_.fault().say("blocks gives a matrix whose structure does not fit together");
      return nullptr;
    }
    return agrees(claims_.blocks(*this, copy_)) ? &copy_ : nullptr;
  }

  bool copy(const kappa_blocks& given) const {
    const Index n = given.blocks;
    if (n <= 0 || given.offset == nullptr || given.row_start == nullptr || given.column == nullptr ||
        given.value_start == nullptr || given.values == nullptr || given.offset[0] != 0 ||
        given.offset[n] != size_ || given.row_start[0] != 0 || given.value_start[0] != 0) {
      return false;
    }
    const Index stored = given.row_start[n];
    for (Index i = 0; i < n; ++i) {
      if (given.offset[i + 1] <= given.offset[i] || given.row_start[i + 1] <= given.row_start[i] ||
          given.row_start[i + 1] > stored || given.column[given.row_start[i]] != i) {
        return false;
      }
      for (Index k = given.row_start[i]; k < given.row_start[i + 1]; ++k) {
        const Index j = given.column[k];
        const bool rising = k == given.row_start[i] || j > given.column[k - 1];
        const bool fits =
            j < n && rising &&
            given.value_start[k + 1] - given.value_start[k] ==
                (given.offset[i + 1] - given.offset[i]) * (given.offset[j + 1] - given.offset[j]);
        if (!fits) {
          return false;
        }
      }
    }
    BlockStructure& s = copy_.structure;
    s.offset.assign(given.offset, given.offset + n + 1);
    s.row_start.assign(given.row_start, given.row_start + n + 1);
    s.column.assign(given.column, given.column + stored);
    s.value_start.assign(given.value_start, given.value_start + stored + 1);
    if (given.elimination_group != nullptr) {
      s.elimination_group.assign(given.elimination_group, given.elimination_group + n);
    } else {
      s.elimination_group.clear();
    }
    copy_.values.resize(static_cast<std::size_t>(s.values()));
    std::copy_n(given.values, copy_.values.size(), copy_.values.data());
    return true;
  }

  const Object& object_;
  const PointBridge& now_;
  const kappa_operator* table_ = nullptr;
  Index size_ = 0;
  mutable OperatorClaims claims_;
  mutable std::optional<bool> hands_on_;
  mutable std::optional<Offers> offers_;
  mutable bool absent_ = false;  ///< the answer to the last question for a form
  mutable bool looking_ = false;
  bool asks_for_blocks_ = false;
  mutable Root root_;
  mutable BlockMatrix copy_;
  mutable const BlockMatrix* blocks_ = nullptr;
  mutable bool blocks_read_ = false;
};

class PluginCurvature final : public Curvature {
 public:
  bool unfit() const { return unfit_; }

  PluginCurvature(const SharedPart& part, const Options& options)
      : object_(part, options),
        now_(object_.caller()),
        previous_(object_.caller()),
        operator_(object_, now_) {
    kappa_curvature_needs needs{};
    needs.struct_size = sizeof needs;
    const kappa_status status =
        object_.call("needs", [&](kappa_text) { return object_.table().needs(object_.self(), &needs); });
    if (status != KAPPA_OK) {
      throw Error(std::string(object_.fault().text()));
    }
    for (unsigned model = 0; model < 6; ++model) {
      if ((needs.models >> model & 1U) != 0) {
        needs_.models.insert(static_cast<Model>(model));
      }
    }
    if (needs.models >> 6U != 0) {
      throw Error(part->where +
                  ": asks for models that this kappa does not know; load it with a newer kappa");
    }
    needs_.history = (needs.flags & KAPPA_NEEDS_PREVIOUS) != 0 ? CurvatureNeeds::History::previous_evaluation
                                                               : CurvatureNeeds::History::none;
    needs_.blocks = (needs.flags & KAPPA_NEEDS_BLOCKS) != 0;
    if (needs_.blocks) {
      operator_.ask_for_blocks();
    }
  }

  CurvatureNeeds needs() const override { return needs_; }

  ~PluginCurvature() override {
    now_.hide();
    object_.end();
  }

  void start() override {
    object_.fault().clear();
    now_.hide();  // of an earlier solve
    operator_.start();
    if (const auto f = object_.optional(&kappa_curvature::start)) {
      object_.tell("start", [&] { f(object_.self()); });
    }
  }

  Status refresh(const Evaluation& now, const Evaluation* previous, ConstVectorRef step) override {
    now_.show(now);
    if (previous != nullptr) {
      previous_.show(*previous);
    }
    const kappa_status status = object_.call("refresh", [&](kappa_text error) {
      return object_.table().refresh(object_.self(), &now_.table(),
                                     previous != nullptr ? &previous_.table() : nullptr,
                                     previous != nullptr ? step.data() : nullptr, error);
    });
    previous_.hide();
    unfit_ = status == KAPPA_UNFIT;
    if (status != KAPPA_OK) {
      return Status::failed;
    }
    const kappa_operator* table = nullptr;
    object_.tell("at_point", [&] { table = object_.table().at_point(object_.self()); });
    return operator_.attach(table, static_cast<Index>(now.gradient.size())) &&
                   (operator_.hands_on() || operator_.keeps_its_word())
               ? Status::ok
               : Status::failed;
  }

  const SymmetricOperator& at_point() const override { return operator_; }

  void judged(const Trial& trial) override {
    if (const auto f = object_.optional(&kappa_curvature::judged)) {
      const kappa_trial seen = shown(trial);
      object_.tell("judged", [&] { f(object_.self(), &seen); });
    }
  }

  /// The plugin's own bytes. Without save and load it cannot be saved.
  bool state(State& s) override {
    const auto save = object_.optional(&kappa_curvature::save);
    const auto load = object_.optional(&kappa_curvature::load);
    if (save == nullptr || load == nullptr) {
      return false;
    }
    s.section(object_.part().info.name, 1);
    std::string bytes;
    if (!s.loads()) {
      std::uint64_t size = 0;
      object_.tell("save", [&] { size = save(object_.self(), nullptr, 0); });
      bytes.resize(size);
      object_.tell("save", [&] { size = save(object_.self(), bytes.data(), bytes.size()); });
      expects(size == bytes.size(), "a plugin's save must write as many bytes as it announced");
    }
    s.item("bytes", bytes);
    if (s.loads() && object_.call("load", [&](kappa_text) {
          return load(object_.self(), bytes.data(), bytes.size());
        }) != KAPPA_OK) {
      s.refuse(object_.fault().text());
    }
    return true;
  }

  std::string_view fault() const override { return object_.fault().text(); }

  Index products() const override {
    Index out = 0;
    if (const auto f = object_.optional(&kappa_curvature::products)) {
      object_.tell("products", [&] { out = f(object_.self()); });
    }
    return out;
  }

 private:
  Object object_;
  CurvatureNeeds needs_;
  PointBridge now_, previous_;
  PluginOperator operator_;
  bool unfit_ = false;  ///< the last refresh said so
};

}  // namespace

bool says_unfit(const Curvature& curvature) {
  const auto* plugin = dynamic_cast<const PluginCurvature*>(&curvature);
  return plugin != nullptr && plugin->unfit();
}

CurvaturePart curvature_part(const SharedPart& part) {
  CurvaturePart out;
  out.info = part->info;
  out.make = [part](const Options& options) -> std::unique_ptr<Curvature> {
    return std::make_unique<PluginCurvature>(part, options);
  };
  return out;
}

}  // namespace kappa::detail
