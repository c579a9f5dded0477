#include "plugins/host/bridges.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

namespace kappa::detail {

static_assert(std::is_same_v<Index, std::int64_t>, "plugin.h counts in int64_t, kappa in Index");
static_assert(static_cast<unsigned>(Model::exact) == KAPPA_MODEL_EXACT &&
              static_cast<unsigned>(Model::gauss_newton) == KAPPA_MODEL_GAUSS_NEWTON &&
              static_cast<unsigned>(Model::fisher) == KAPPA_MODEL_FISHER &&
              static_cast<unsigned>(Model::sampled_fisher) == KAPPA_MODEL_SAMPLED_FISHER &&
              static_cast<unsigned>(Model::empirical_fisher) == KAPPA_MODEL_EMPIRICAL_FISHER &&
              static_cast<unsigned>(Model::squared_mean_gradient) == KAPPA_MODEL_SQUARED_MEAN_GRADIENT);

namespace {

constexpr unsigned model_count = 6;

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

kappa_status there(bool answer) {
  return answer ? KAPPA_OK : KAPPA_ABSENT;
}

/// Writes as much of a table as its owner has room for, which its struct_size says.
template <class Table>
void write(const Table& value, Table* out) {
  const std::uint64_t room = std::min<std::uint64_t>(out->struct_size, sizeof value);
  std::memcpy(out, &value, room);
  if (room >= sizeof room) {
    out->struct_size = room;
  }
}

kappa_root shown(const Root& root) {
  return {sizeof(kappa_root), root.A.data, root.A.rows, root.A.stride,
          root.c.empty() ? nullptr : root.c.data()};
}

/// Runs f; an exception of the host's own must not enter the plugin either.
template <class F>
kappa_status shielded(const F& f) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return KAPPA_OUT_OF_MEMORY;
  } catch (...) {
    return KAPPA_ERROR;
  }
}

}  // namespace

kappa_blocks shown(const BlockMatrix& matrix) {
  const BlockStructure& s = matrix.structure;
  kappa_blocks out{};
  out.struct_size = sizeof out;
  out.blocks = s.blocks();
  out.offset = s.offset.data();
  out.row_start = s.row_start.data();
  out.column = s.column.data();
  out.value_start = s.value_start.data();
  out.values = matrix.values.data();
  out.elimination_group = s.elimination_group.empty() ? nullptr : s.elimination_group.data();
  return out;
}

struct PointFunctions {
  static PointBridge& of(void* self) { return *static_cast<PointBridge*>(self); }

  /// f(linearization, model) where the point may be read and the model was asked for.
  template <class F>
  static kappa_status with(void* self, std::uint32_t model, const F& f) {
    const Linearization* linearization = of(self).readable();
    if (linearization == nullptr) {
      return KAPPA_BROKEN_CONTRACT;
    }
    if (model >= model_count || !of(self).evaluation_->models.contains(static_cast<Model>(model))) {
      return KAPPA_ABSENT;
    }
    return shielded([&] { return f(*linearization, static_cast<Model>(model)); });
  }
  template <class F>
  static kappa_status with(void* self, const F& f) {
    const Linearization* linearization = of(self).readable();
    return linearization == nullptr ? KAPPA_BROKEN_CONTRACT : shielded([&] { return f(*linearization); });
  }
  static std::size_t n(void* self) { return at(of(self).table_.tangent_dimension); }
  static std::size_t m(void* self) { return at(of(self).table_.residuals); }

  static kappa_status product(void* self, std::uint32_t model, const double* v, double* out) {
    return with(self, model, [&](const Linearization& at_point, Model which) {
      at_point.product(which, {v, n(self)}, {out, n(self)});
      return KAPPA_OK;
    });
  }
  static kappa_status diagonal(void* self, std::uint32_t model, double* out) {
    return with(self, model, [&](const Linearization& at_point, Model which) {
      return there(at_point.diagonal(which, {out, n(self)}));
    });
  }
  static kappa_status dense(void* self, std::uint32_t model, double* out, std::int64_t stride) {
    return with(self, model, [&](const Linearization& at_point, Model which) {
      const Index size = at_point.size();
      return there(at_point.dense(which, {out, size, size, stride}));
    });
  }
  static kappa_status blocks(void* self, std::uint32_t model, kappa_blocks* out) {
    return with(self, model, [&](const Linearization& at_point, Model which) {
      of(self).blocks_ = at_point.blocks(which);
      if (of(self).blocks_ != nullptr) {
        write(shown(*of(self).blocks_), out);
      }
      return there(of(self).blocks_ != nullptr);
    });
  }
  static kappa_status root(void* self, std::uint32_t model, kappa_root* out) {
    return with(self, model, [&](const Linearization& at_point, Model which) {
      of(self).root_ = at_point.root(which);
      if (const Root* root = of(self).root_) {
        write(shown(*root), out);
      }
      return there(of(self).root_ != nullptr);
    });
  }
  static kappa_status jacobian_product(void* self, const double* v, double* out) {
    return with(self, [&](const Linearization& at_point) {
      return there(at_point.jacobian_product({v, n(self)}, {out, m(self)}));
    });
  }
  static kappa_status jacobian_transpose_product(void* self, const double* w, double* out) {
    return with(self, [&](const Linearization& at_point) {
      return there(at_point.jacobian_transpose_product({w, m(self)}, {out, n(self)}));
    });
  }
  static kappa_status residual_vector(void* self, double* out) {
    return with(self, [&](const Linearization& at_point) {
      return there(at_point.residual_vector({out, m(self)}));
    });
  }
  /// By products with unit vectors, since no problem of kappa's keeps its Jacobian by rows.
  static kappa_status jacobian_rows(void* self, std::int64_t first, std::int64_t count, double* out) {
    if (first < 0 || count < 0 || first + count > of(self).table_.residuals) {
      return KAPPA_BROKEN_CONTRACT;
    }
    return with(self, [&](const Linearization& at_point) {
      std::vector<double>& unit = of(self).unit_;
      std::vector<double>& row = of(self).column_;
      unit.assign(m(self), 0.0);
      row.resize(n(self));
      for (Index k = 0; k < count; ++k) {
        unit[at(first + k)] = 1;
        if (!at_point.jacobian_transpose_product(unit, row)) {
          return KAPPA_ABSENT;
        }
        unit[at(first + k)] = 0;
        for (std::size_t j = 0; j < row.size(); ++j) {
          out[at(k) + j * at(count)] = row[j];
        }
      }
      return KAPPA_OK;
    });
  }
  static kappa_status term_gradients(void* self, std::int64_t first, std::int64_t count, double* out) {
    return with(self, [&](const Linearization& at_point) {
      return there(at_point.term_gradients(first, {out, at_point.size(), count, at_point.size()}));
    });
  }
  static kappa_status cross_gradient(void* self, const kappa_point* other, double* out) {
    if (other == nullptr || other->product != product) {
      return KAPPA_BROKEN_CONTRACT;
    }
    const Linearization* there_at = of(other->self).readable();
    return there_at == nullptr ? KAPPA_BROKEN_CONTRACT : with(self, [&](const Linearization& at_point) {
      return there(at_point.cross_gradient(*there_at, {out, n(self)}));
    });
  }
  static kappa_status second_directional(void* self, const double* v, double* out) {
    return with(self, [&](const Linearization& at_point) {
      return there(at_point.second_directional({v, n(self)}, {out, n(self)}));
    });
  }
  static kappa_status recursive_diagonal(void* self, std::int32_t gauss_newton, double* out) {
    return with(self, [&](const Linearization& at_point) {
      return there(at_point.recursive_diagonal(gauss_newton != 0 ? Recursion::gauss_newton : Recursion::exact,
                                               {out, n(self)}));
    });
  }
  static kappa_status sampled_gradient(void* self, std::uint64_t draw, double* out) {
    return with(self, [&](const Linearization& at_point) {
      return there(at_point.sampled_gradient(draw, {out, n(self)}));
    });
  }
  static const void* query(void* self, const char* name) {
    const Linearization* at_point = of(self).readable();
    return at_point == nullptr || name == nullptr ? nullptr : at_point->extension(name);
  }
};

void PointBridge::show(const Evaluation& at) {
  using F = PointFunctions;
  evaluation_ = &at;
  blocks_ = nullptr;
  root_ = nullptr;
  table_ = {};
  table_.struct_size = sizeof table_;
  table_.self = this;
  table_.dimension = static_cast<Index>(at.x.size());
  table_.tangent_dimension = static_cast<Index>(at.gradient.size());
  table_.sample = at.sample;
  table_.value = at.value;
  table_.x = at.x.data();
  table_.gradient = at.gradient.data();
  table_.product = F::product;
  if (!includes(at.have, Want::linearization) || at.linearization == nullptr) {
    evaluation_ = nullptr;
    return;
  }
  table_.residuals = at.linearization->residuals();
  for (unsigned model = 0; model < model_count; ++model) {
    table_.models |= at.models.contains(static_cast<Model>(model)) ? 1U << model : 0U;
  }
  table_.diagonal = F::diagonal;
  table_.dense = F::dense;
  table_.blocks = F::blocks;
  table_.root = F::root;
  table_.jacobian_product = F::jacobian_product;
  table_.jacobian_transpose_product = F::jacobian_transpose_product;
  table_.residual_vector = F::residual_vector;
  table_.jacobian_rows = F::jacobian_rows;
  table_.term_gradients = F::term_gradients;
  table_.cross_gradient = F::cross_gradient;
  table_.second_directional = F::second_directional;
  table_.recursive_diagonal = F::recursive_diagonal;
  table_.sampled_gradient = F::sampled_gradient;
  table_.query = F::query;
}

const BlockMatrix* PointBridge::original(const kappa_blocks& blocks) const {
  return blocks_ != nullptr && blocks.values == blocks_->values.data() &&
                 blocks.column == blocks_->structure.column.data()
             ? blocks_
             : nullptr;
}

const Root* PointBridge::original(const kappa_root& root) const {
  return root_ != nullptr && root.A == root_->A.data ? root_ : nullptr;
}

struct OperatorFunctions {
  static OperatorBridge& of(void* self) { return *static_cast<OperatorBridge*>(self); }

  template <class F>
  static kappa_status with(void* self, const F& f) {
    const SymmetricOperator* B = of(self).readable();
    return B == nullptr ? KAPPA_BROKEN_CONTRACT : shielded([&] { return f(*B, at(B->size())); });
  }
  static kappa_status multiply(void* self, const double* v, double* out) {
    return with(self, [&](const SymmetricOperator& B, std::size_t n) {
      B.multiply({v, n}, {out, n});
      return KAPPA_OK;
    });
  }
  static kappa_status diagonal(void* self, double* out) {
    return with(self, [&](const SymmetricOperator& B, std::size_t n) { return there(B.diagonal({out, n})); });
  }
  static kappa_status dense(void* self, double* out, std::int64_t stride) {
    return with(self, [&](const SymmetricOperator& B, std::size_t n) {
      const auto size = static_cast<Index>(n);
      return there(B.dense({out, size, size, stride}));
    });
  }
  static kappa_status blocks(void* self, kappa_blocks* out) {
    return with(self, [&](const SymmetricOperator& B, std::size_t) {
      const BlockMatrix* matrix = B.blocks();
      if (matrix != nullptr) {
        write(shown(*matrix), out);
      }
      return there(matrix != nullptr);
    });
  }
  static kappa_status root(void* self, kappa_root* out) {
    return with(self, [&](const SymmetricOperator& B, std::size_t) {
      const Root* root = B.root();
      if (root != nullptr) {
        write(shown(*root), out);
      }
      return there(root != nullptr);
    });
  }
  static kappa_status second_directional(void* self, const double* v, double* out) {
    return with(self, [&](const SymmetricOperator& B, std::size_t n) {
      return there(B.second_directional({v, n}, {out, n}));
    });
  }
  static kappa_status solve_damped(void* self, double lambda, const double* weights, const double* rhs,
                                   double* out) {
    return with(self, [&](const SymmetricOperator& B, std::size_t n) {
      return there(B.solve_damped(lambda, {weights, n}, {rhs, n}, {out, n}));
    });
  }
};

void OperatorBridge::show(const SymmetricOperator& B) {
  using F = OperatorFunctions;
  operator_ = &B;
  const Offers offers = B.offers();
  table_ = {};
  table_.struct_size = sizeof table_;
  table_.self = this;
  table_.size = B.size();
  table_.definiteness = static_cast<std::int32_t>(B.definiteness());
  table_.solve_kind = static_cast<std::int32_t>(B.solve_kind());
  table_.multiply = F::multiply;
  table_.diagonal = offers.diagonal ? F::diagonal : nullptr;
  table_.dense = offers.dense ? F::dense : nullptr;
  table_.blocks = offers.blocks ? F::blocks : nullptr;
  table_.root = offers.root ? F::root : nullptr;
  table_.second_directional = F::second_directional;
  table_.solve_damped = B.solve_kind() == SolveKind::absent ? nullptr : F::solve_damped;
}

}  // namespace kappa::detail
