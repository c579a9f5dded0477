/* The C interface of kappa's plugins: a shared library that adds curvatures, step solvers, linear solvers,
 * acceptances, losses and problems to a kappa it was not compiled with.
 *
 * C99, and nothing but this header. C++ authors write a class and one line with plugin.hpp.
 *
 *   one symbol    const kappa_plugin *kappa_plugin_entry(const kappa_host *host, kappa_text error);
 *   tables        every table begins with its own size; fields are only ever appended, so that a reader looks
 *                 at none beyond the size it finds, and what is not there counts as NULL
 *                 the one who hands in a table to be filled sets its struct_size
 *   NULL          an entry that a part does not offer
 *   status        0 ok; positive recoverable (the step is shortened, the optional thing is absent); negative
 *                 fatal (the solve ends with the best point so far and the sentence in `error`)
 *   memory        what a call gives stays its giver's; nobody frees what he did not allocate
 *   exceptions    none may leave a function of a plugin, none leaves one of the host
 *   threads       the functions of one object are called by one thread at a time. While one runs, the plugin
 *                 may call those of the kappa_point or kappa_operator that it was given, from the same
 *                 thread; from another, or at another time, they answer KAPPA_BROKEN_CONTRACT. log and
 *                 parallel_for of the host may be called at any time and from any thread
 *   life          the point `now` of a refresh, and what it points to, stays until the next refresh;
 *                 `previous` during the call; the operator of a subproblem until the next prepare
 *   options       JSON text, an object of names and values: {"memory": 10, "kind": "exact"}
 *
 * Vectors are contiguous doubles, matrices column-major with a stride. Derivatives are those of
 * step -> f(retract(x, step)) at 0 and have tangent_dimension entries. What cannot be caught: a plugin runs
 * in the process, so one that writes where it must not, or never returns, takes the process with it.
 */
#ifndef KAPPA_PLUGIN_H
#define KAPPA_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised only where a plugin of an older number could not be read any more; appended fields do not. */
#define KAPPA_PLUGIN_ABI 1u

#if defined(__GNUC__)
#define KAPPA_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define KAPPA_PLUGIN_EXPORT
#endif

typedef int32_t kappa_status;
#define KAPPA_OK 0
#define KAPPA_ABSENT 1         /* the optional thing asked for is not there */
#define KAPPA_OUTSIDE_DOMAIN 2 /* not defined or not finite here */
#define KAPPA_INDEFINITE 3     /* a matrix to be factored is not positive definite */
#define KAPPA_FAILED 4         /* a numerical breakdown, such as a number that is not finite */
#define KAPPA_INTERRUPTED 5    /* a stop or a deadline came first */
/* These parts do not fit; the sentence says which would. From the refresh at a first point: the problem lacks
 * what the curvature needs, such as an extension, which `kappa plugin check` does not hold against it. */
#define KAPPA_UNFIT 6
#define KAPPA_ERROR (-1)        /* anything else that ends the solve */
#define KAPPA_WRONG_OPTION (-2) /* an option that does not exist, or a value out of range */
#define KAPPA_BROKEN_CONTRACT (-3)
#define KAPPA_OUT_OF_MEMORY (-4)

/* The caller's room for a sentence: write at most `capacity` bytes with the closing 0. May be NULL, 0. */
typedef struct kappa_text {
  char* data;
  uint64_t capacity;
} kappa_text;

/* The second-order models of a problem (linearization.h). Sets of them are bits 1u << model. */
#define KAPPA_MODEL_EXACT 0u
#define KAPPA_MODEL_GAUSS_NEWTON 1u
#define KAPPA_MODEL_FISHER 2u
#define KAPPA_MODEL_SAMPLED_FISHER 3u
#define KAPPA_MODEL_EMPIRICAL_FISHER 4u
#define KAPPA_MODEL_SQUARED_MEAN_GRADIENT 5u

#define KAPPA_CONTROL_RADIUS 0       /* |d| <= control in the metric */
#define KAPPA_CONTROL_DAMPING 1      /* (B + control W) d = -g */
#define KAPPA_CONTROL_CUBIC_WEIGHT 2 /* g'd + d'Bd/2 + control |d|^3 / 3 */
#define KAPPA_CONTROL_STEP_LENGTH 3  /* d = control * direction */

/* ---- what the host gives ---- */

#define KAPPA_LOG_DEBUG 0
#define KAPPA_LOG_NOTE 1
#define KAPPA_LOG_WARNING 2

typedef kappa_status (*kappa_body)(void* data, int64_t chunk);

/* Lives as long as the plugin is loaded. */
typedef struct kappa_host {
  uint64_t struct_size;
  uint32_t abi; /* KAPPA_PLUGIN_ABI of the host */
  uint32_t reserved;
  const char* version; /* of kappa, "0.1.0" */
  void (*log)(const struct kappa_host* host, int32_t level, const char* text);
  /* body(data, chunk) for every chunk in 0 .. chunks - 1, in any order and on several threads where `work`,
   * the multiply-adds of the whole loop, is worth it. Cut by structure, and add in the order of the chunks,
   * for the same bits with any number of threads. Returns the status of the lowest chunk whose body failed.
   */
  kappa_status (*parallel_for)(const struct kappa_host* host, int64_t chunks, double work, kappa_body body,
                               void* data);
} kappa_host;

/* A symmetric block-sparse matrix: the upper triangle of blocks by block rows, each block dense and
 * column-major, diagonal blocks in full (block_matrix.h). The arrays stay until the next evaluation. */
typedef struct kappa_blocks {
  uint64_t struct_size;
  int64_t blocks;
  const int64_t* offset;      /* blocks + 1: entries offset[i] .. offset[i + 1] are block i's */
  const int64_t* row_start;   /* blocks + 1: stored blocks of row i; the first is (i, i) */
  const int32_t* column;      /* block column of each stored block, ascending in a row */
  const int64_t* value_start; /* stored blocks + 1 */
  const double* values;
  const int32_t* elimination_group; /* of each block, -1 for none; NULL where solvers choose */
} kappa_blocks;

/* A with B = A'A and, where it exists, c with A'c = g. */
typedef struct kappa_root {
  uint64_t struct_size;
  const double* A; /* rows x size, column-major */
  int64_t rows;
  int64_t stride;
  const double* c; /* rows long, or NULL */
} kappa_root;

/* A problem at a point, for one call of refresh. Each function but product may be NULL, and may answer
 * KAPPA_ABSENT. */
typedef struct kappa_point {
  uint64_t struct_size;
  void* self; /* the first argument of the functions */
  int64_t dimension;
  int64_t tangent_dimension;
  int64_t residuals; /* where f = |r|^2 / 2, or a robust version of it; otherwise 0 */
  uint64_t sample;   /* number of the mini-batch; 0: the whole sum */
  uint32_t models;   /* those that may be asked for here */
  uint32_t reserved;
  double value;
  const double* x;        /* dimension long */
  const double* gradient; /* tangent_dimension long */

  /* out = B v, out_i = B_ii, the whole matrix, the block matrix, the root of a model. */
  kappa_status (*product)(void* self, uint32_t model, const double* v, double* out);
  kappa_status (*diagonal)(void* self, uint32_t model, double* out);
  kappa_status (*dense)(void* self, uint32_t model, double* out, int64_t stride);
  kappa_status (*blocks)(void* self, uint32_t model, kappa_blocks* out);
  kappa_status (*root)(void* self, uint32_t model, kappa_root* out);

  /* out = J v (residuals long), out = J'w (tangent_dimension long). */
  kappa_status (*jacobian_product)(void* self, const double* v, double* out);
  kappa_status (*jacobian_transpose_product)(void* self, const double* w, double* out);
  /* The residuals as the loss leaves them (residuals long); rows first .. first + count - 1 of J,
   * column-major with stride count. */
  kappa_status (*residual_vector)(void* self, double* out);
  kappa_status (*jacobian_rows)(void* self, int64_t first, int64_t count, double* out);
  /* The gradients of terms first .. first + count - 1 of the sum (residual blocks, samples), one in each
   * column of out, which is tangent_dimension x count. */
  kappa_status (*term_gradients)(void* self, int64_t first, int64_t count, double* out);
  /* out = J'u with u the residuals at `other`, a point of the same call. */
  kappa_status (*cross_gradient)(void* self, const struct kappa_point* other, double* out);
  /* out = J'r_vv, r_vv the second directional derivative of the residuals along v. */
  kappa_status (*second_directional)(void* self, const double* v, double* out);

  /* The diagonal that a network back-propagates; gauss_newton 0: Optimal Brain Damage's. */
  kappa_status (*recursive_diagonal)(void* self, int32_t gauss_newton, double* out);
  /* The gradient with targets drawn from the model's own distribution; the same draw, the same targets. */
  kappa_status (*sampled_gradient)(void* self, uint64_t draw, double* out);

  /* Structure that only a family of problems has, as a table by name and version, such as
   * "kappa.network.layers/1"; NULL where this problem has none of that name. */
  const void* (*query)(void* self, const char* name);
} kappa_point;

/* ---- curvatures ---- */

#define KAPPA_DEFINITENESS_UNKNOWN 0
#define KAPPA_POSITIVE_SEMIDEFINITE 1 /* by construction */

#define KAPPA_SOLVE_ABSENT 0
#define KAPPA_SOLVE_EXACT 1       /* of the operator's own damped system */
#define KAPPA_SOLVE_APPROXIMATE 2 /* of a nearby one */

/* A symmetric map B on the tangent space, `size` square. Laws: linear, symmetric; diagonal, dense, blocks and
 * root agree with multiply; positive semidefinite if it says so. */
typedef struct kappa_operator {
  uint64_t struct_size;
  void* self;
  int64_t size;
  int32_t definiteness;
  int32_t solve_kind;
  kappa_status (*multiply)(void* self, const double* v, double* out);
  kappa_status (*diagonal)(void* self, double* out);
  kappa_status (*dense)(void* self, double* out, int64_t stride);
  kappa_status (*blocks)(void* self, kappa_blocks* out);
  kappa_status (*root)(void* self, kappa_root* out);
  kappa_status (*second_directional)(void* self, const double* v, double* out);
  /* out = (B + lambda diag(weights))^-1 rhs; KAPPA_ABSENT where the damped matrix is not positive definite */
  kappa_status (*solve_damped)(void* self, double lambda, const double* weights, const double* rhs,
                               double* out);
} kappa_operator;

#define KAPPA_NEEDS_PREVIOUS 1u /* refresh is given the last accepted point and the step from it */
#define KAPPA_NEEDS_BLOCKS 2u   /* block matrices will be asked for at every point */

typedef struct kappa_curvature_needs {
  uint64_t struct_size;
  uint32_t models; /* to be asked of the points; 0: gradients suffice */
  uint32_t flags;
} kappa_curvature_needs;

/* What came of a trial step. */
typedef struct kappa_trial {
  uint64_t struct_size;
  int32_t evaluated; /* 0 where the point is outside the domain */
  int32_t step_status;
  double current_value;
  double value;      /* a NaN where not evaluated */
  double slope;      /* g(trial)'d, where trial gradients were asked for */
  double rounding;   /* differences of values below this are rounding */
  double step_slope; /* g'd */
  double predicted_decrease;
  double step_norm; /* in the metric */
  double longest;   /* step length at which a line search meets a bound; infinite without bounds */
  double ratio;     /* actual over predicted decrease, never a NaN */
  int32_t limit;    /* KAPPA_LIMIT_... */
  int32_t reserved;
} kappa_trial;

typedef struct kappa_curvature {
  uint64_t struct_size;
  kappa_status (*create)(const kappa_host* host, const char* options, void** self, kappa_text error);
  void (*destroy)(void* self);
  kappa_status (*needs)(void* self, kappa_curvature_needs* out);
  /* A new solve begins; may be NULL. */
  void (*start)(void* self);
  /* Takes `now` as the point to model. `previous` and `step` (tangent_dimension long) are NULL at the first
   * point and where they were not asked for. KAPPA_UNFIT where the problem is none for this curvature. */
  kappa_status (*refresh)(void* self, const kappa_point* now, const kappa_point* previous, const double* step,
                          kappa_text error);
  /* The operator at the refreshed point; the table stays until the next refresh. */
  const kappa_operator* (*at_point)(void* self);
  /* May be NULL: the outcome of a trial; second-order products so far. */
  void (*judged)(void* self, const kappa_trial* trial);
  int64_t (*products)(void* self);
  /* May be NULL: the state as bytes, for checkpoints. With out NULL, save returns the size; otherwise it
   * writes `size` bytes and returns them. load returns a status. */
  uint64_t (*save)(void* self, void* out, uint64_t size);
  kappa_status (*load)(void* self, const void* bytes, uint64_t size);
} kappa_curvature;

/* ---- step solvers ---- */

typedef struct kappa_subproblem {
  uint64_t struct_size;
  int64_t size;
  const kappa_operator* B;
  const double* gradient; /* size long */
  const double* weights;  /* of the metric: |d|^2 = sum weights_i d_i^2 */
  const void* interrupt;
  /* Other than 0 where a stop or a deadline asks to come to an end. */
  int32_t (*interrupted)(const void* interrupt);
} kappa_subproblem;

#define KAPPA_LIMIT_INTERIOR 0 /* the model's minimiser */
#define KAPPA_LIMIT_BOUNDARY 1 /* the control shortened the step */
#define KAPPA_LIMIT_BOUNDS 2   /* bounds on the variables did (set by the host) */

typedef struct kappa_step_report {
  uint64_t struct_size;
  double slope;              /* g'd */
  double predicted_decrease; /* -(g'd + d'Bd/2); positive is downhill */
  double norm;               /* |d| in the metric */
  int32_t limit;
  int32_t reserved;
  int64_t blame; /* the variable whose pivot failed, or -1 */
  int64_t inner_iterations;
} kappa_step_report;

typedef struct kappa_step_solver {
  uint64_t struct_size;
  int32_t control; /* KAPPA_CONTROL_... */
  uint32_t flags;  /* KAPPA_NEEDS_BLOCKS */
  kappa_status (*create)(const kappa_host* host, const char* options, void** self, kappa_text error);
  void (*destroy)(void* self);
  void (*start)(void* self); /* may be NULL */
  /* May be NULL: KAPPA_UNFIT with a sentence where the solver cannot work with the operator. */
  kappa_status (*unfit)(void* self, const kappa_operator* B, kappa_text why);
  /* Takes the model in; what it points to stays until the next prepare. */
  kappa_status (*prepare)(void* self, const kappa_subproblem* subproblem, kappa_text error);
  /* The step (size long) for a control; called again with a tighter one after a rejection. */
  kappa_status (*solve)(void* self, double control, double* step, kappa_step_report* report);
  /* May be NULL: out = M^-1 rhs with the matrix of the last solve; what was chosen inside; factorizations. */
  kappa_status (*resolve)(void* self, const double* rhs, double* out);
  void (*describe)(void* self, kappa_text out);
  int64_t (*factorizations)(void* self);
} kappa_step_solver;

/* ---- linear solvers: the damped step by a factorization of a block-sparse matrix ---- */

typedef struct kappa_linear_solver {
  uint64_t struct_size;
  kappa_status (*create)(const kappa_host* host, const char* options, void** self, kappa_text error);
  void (*destroy)(void* self);
  /* Once for a structure; `values` is NULL. */
  kappa_status (*analyze)(void* self, const kappa_blocks* structure, kappa_text error);
  /* Factors B + lambda diag(weights); weights may be NULL. KAPPA_INDEFINITE with the variable in *blame. */
  kappa_status (*factor)(void* self, const double* values, double lambda, const double* weights,
                         int64_t* blame);
  /* x := (B + lambda diag(weights))^-1 x */
  kappa_status (*solve)(void* self, double* x);
  void (*describe)(void* self, kappa_text out); /* may be NULL */
} kappa_linear_solver;

/* ---- acceptances ---- */

#define KAPPA_TRIAL_VALUE 0
#define KAPPA_TRIAL_VALUE_AND_GRADIENT 1
#define KAPPA_TRIAL_NOTHING 2 /* a schedule */

#define KAPPA_ACCEPT 0
#define KAPPA_ACCEPT_KEPT 1 /* the trial that was kept */
#define KAPPA_RETRY 2       /* another step from the same point, with a tighter control */
#define KAPPA_GIVE_UP 3

typedef struct kappa_start {
  uint64_t struct_size;
  double gradient_norm; /* in the metric's dual norm */
  double point_norm;    /* |x0| in the metric */
  double value;
  int64_t variables;
} kappa_start;

typedef struct kappa_verdict {
  uint64_t struct_size;
  double next; /* the next control */
  int32_t decision;
  int32_t keep; /* other than 0: remember this trial */
} kappa_verdict;

typedef struct kappa_acceptance {
  uint64_t struct_size;
  int32_t control;
  int32_t needs; /* KAPPA_TRIAL_... */
  kappa_status (*create)(const kappa_host* host, const char* options, void** self, kappa_text error);
  void (*destroy)(void* self);
  double (*start)(void* self, const kappa_start* info);
  kappa_status (*judge)(void* self, const kappa_trial* trial, double control, kappa_verdict* out);
} kappa_acceptance;

/* ---- losses and problems ---- */

/* A robust loss of s = |r|^2: out[0] = rho, out[1] = rho', out[2] = rho''. Called from many threads. */
typedef struct kappa_loss {
  uint64_t struct_size;
  kappa_status (*create)(const kappa_host* host, const char* options, void** self, kappa_text error);
  void (*destroy)(void* self);
  void (*evaluate)(const void* self, double s, double out[3]);
} kappa_loss;

/* A function to be minimised. Its functions but create and destroy are called from many threads. */
typedef struct kappa_problem {
  uint64_t struct_size;
  kappa_status (*create)(const kappa_host* host, const char* options, void** self, kappa_text error);
  void (*destroy)(void* self);
  int64_t (*dimension)(const void* self);
  kappa_status (*initial)(const void* self, double* x);
  /* Value and, unless `gradient` is NULL, the gradient. */
  kappa_status (*evaluate)(const void* self, const double* x, double* value, double* gradient,
                           kappa_text fault);
  /* May be NULL: out = H v with the exact Hessian at x; without it the host takes differences of gradients.
   */
  kappa_status (*product)(const void* self, const double* x, const double* v, double* out);
  /* May be NULL: bounds, infinite where there are none. */
  kappa_status (*bounds)(const void* self, double* lower, double* upper);
} kappa_problem;

/* ---- the plugin ---- */

#define KAPPA_PART_CURVATURE 0
#define KAPPA_PART_STEP_SOLVER 1
#define KAPPA_PART_LINEAR_SOLVER 2
#define KAPPA_PART_ACCEPTANCE 3
#define KAPPA_PART_LOSS 4
#define KAPPA_PART_PROBLEM 5

typedef struct kappa_part {
  uint64_t struct_size;
  int32_t kind;
  uint32_t reserved;
  const char* name;    /* lower case with hyphens: "structured-secant" */
  const char* summary; /* one sentence */
  const char* source;  /* paper and equation */
  /* JSON text: [{"name": "memory", "default": 10, "source": "...", "meaning": "..."}, ...]; the type of the
   * default is that of the option. Options that are not listed are refused before create is called. */
  const char* options;
  const void* table; /* kappa_curvature for KAPPA_PART_CURVATURE, and so on */
} kappa_part;

typedef struct kappa_plugin {
  uint64_t struct_size;
  uint32_t abi; /* KAPPA_PLUGIN_ABI that it was compiled with */
  uint32_t reserved;
  const char* name;
  const char* version;
  int64_t parts;
  const kappa_part* const* part;
} kappa_plugin;

/* The one symbol of a plugin. Returns a table that stays while the library is loaded, or NULL with a sentence
 * in `error`. Called once. */
KAPPA_PLUGIN_EXPORT const kappa_plugin* kappa_plugin_entry(const kappa_host* host, kappa_text error);

#ifdef __cplusplus
}
#endif

#endif
