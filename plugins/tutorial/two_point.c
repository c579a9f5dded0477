/* Plugin tutorial, in plain C: curvature two-point, B = theta I + u u', learnt from the last two points.
 *
 * With the last step s and the change y of the gradient along it, and s'y > 0,
 *
 *   theta = share s'y / s's,   u = (y - theta s) / sqrt(s'y - theta s's)
 *
 * so that B s = y, as for the Hessian of a quadratic, and B is positive definite for every share below 1: the
 * symmetric rank-one update of theta I (Nocedal & Wright 2006, eq. 6.24). Gradients suffice, every function
 * takes O(n), and (B + lambda W)^-1 comes from Sherman and Morrison's formula.
 *
 * A plugin is read from the bottom up: the entry that kappa looks for, the plugin's table, its one part, the
 * part's table of functions, and then the functions. docs/plugins.md goes through them.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kappa/plugin.h"

/* Everything that one solve needs. kappa makes one for each solve and calls it from one thread at a time. */
typedef struct model {
  double share;
  int64_t n; /* room in u */
  double theta;
  double* u;        /* n long; all 0 before anything was learnt */
  kappa_operator B; /* what kappa sees of the matrix */
} model;

static void say(kappa_text error, const char* sentence) {
  if (error.data != NULL && error.capacity > 0) {
    snprintf(error.data, (size_t)error.capacity, "%s", sentence);
  }
}

static double dot(int64_t n, const double* a, const double* b) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

/* ---- the operator: each function gets the pointer that the table carries in `self` ---- */

static kappa_status multiply(void* self, const double* v, double* out) {
  const model* m = self;
  const double along = dot(m->n, m->u, v);
  for (int64_t i = 0; i < m->n; ++i) {
    out[i] = m->theta * v[i] + along * m->u[i];
  }
  return KAPPA_OK;
}

static kappa_status diagonal(void* self, double* out) {
  const model* m = self;
  for (int64_t i = 0; i < m->n; ++i) {
    out[i] = m->theta + m->u[i] * m->u[i];
  }
  return KAPPA_OK;
}

/* With D = theta I + lambda W:  (D + u u')^-1 r = D^-1 r - D^-1 u (u'D^-1 r) / (1 + u'D^-1 u). */
static kappa_status solve_damped(void* self, double lambda, const double* weights, const double* rhs,
                                 double* out) {
  const model* m = self;
  double above = 0;
  double below = 1;
  for (int64_t i = 0; i < m->n; ++i) {
    const double d = m->theta + lambda * weights[i];
    above += m->u[i] * rhs[i] / d;
    below += m->u[i] * m->u[i] / d;
  }
  for (int64_t i = 0; i < m->n; ++i) {
    out[i] = (rhs[i] - m->u[i] * (above / below)) / (m->theta + lambda * weights[i]);
  }
  return KAPPA_OK;
}

/* ---- the curvature ---- */

/* Options come as JSON text, checked against the list below: an object with those that the user gave. One
 * number is found by its name; a plugin with many options would bring a JSON reader, or use plugin.hpp. */
static double number(const char* options, const char* quoted_name, double otherwise) {
  const char* at = options != NULL ? strstr(options, quoted_name) : NULL;
  at = at != NULL ? strchr(at, ':') : NULL;
  return at != NULL ? strtod(at + 1, NULL) : otherwise;
}

static kappa_status create(const kappa_host* host, const char* options, void** self, kappa_text error) {
  (void)host;
  model* m = calloc(1, sizeof *m);
  if (m == NULL) {
    return KAPPA_OUT_OF_MEMORY;
  }
  m->share = number(options, "\"share\"", 0.5);
  if (!(m->share > 0 && m->share < 1)) {
    free(m);
    say(error, "option 'share' must be between 0 and 1, both left out");
    return KAPPA_WRONG_OPTION;
  }
  *self = m;
  return KAPPA_OK;
}

static void destroy(void* self) {
  model* m = self;
  free(m->u);
  free(m);
}

/* What refresh must be given: no second-order model of the problem, but the last point and the step from it.
 */
static kappa_status needs(void* self, kappa_curvature_needs* out) {
  (void)self;
  out->models = 0;
  out->flags = KAPPA_NEEDS_PREVIOUS;
  return KAPPA_OK;
}

/* A solve begins: what an earlier one taught is forgotten, its memory kept. */
static void start(void* self) {
  model* m = self;
  m->theta = 0;
}

static kappa_status reserve(model* m, int64_t n) {
  if (n != m->n) {
    double* u = calloc((size_t)n, sizeof *u);
    if (u == NULL) {
      return KAPPA_OUT_OF_MEMORY;
    }
    free(m->u);
    m->u = u;
    m->n = n;
  }
  return KAPPA_OK;
}

static void learn(model* m, const kappa_point* now, const kappa_point* before, const double* s) {
  const int64_t n = m->n;
  double sy = 0;
  double yy = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double y = now->gradient[i] - before->gradient[i];
    sy += s[i] * y;
    yy += y * y;
  }
  const double ss = dot(n, s, s);
  /* A step along which the gradient does not grow has no positive scale to teach, and one along which the
   * growth is rounding must not be divided by. */
  if (!(sy > 1e-8 * sqrt(ss) * sqrt(yy)) || !isfinite(yy)) {
    return;
  }
  const double theta = m->share * sy / ss;
  const double scale = 1 / sqrt(sy - theta * ss);
  m->theta = theta;
  for (int64_t i = 0; i < n; ++i) {
    m->u[i] = scale * (now->gradient[i] - before->gradient[i] - theta * s[i]);
  }
}

static kappa_status refresh(void* self, const kappa_point* now, const kappa_point* previous,
                            const double* step, kappa_text error) {
  model* m = self;
  if (reserve(m, now->tangent_dimension) != KAPPA_OK) {
    say(error, "there is not enough memory");
    return KAPPA_OUT_OF_MEMORY;
  }
  if (m->theta == 0) { /* the first point: a first step no longer than 1 */
    const double norm = sqrt(dot(m->n, now->gradient, now->gradient));
    m->theta = norm > 0 && isfinite(norm) ? norm : 1;
    memset(m->u, 0, (size_t)m->n * sizeof *m->u);
  }
  /* Gradients of two mini-batches are not of one function: their difference teaches nothing. */
  if (previous != NULL && previous->sample == now->sample) {
    learn(m, now, previous, step);
  }
  m->B.struct_size = sizeof m->B;
  m->B.self = m;
  m->B.size = m->n;
  m->B.definiteness = KAPPA_POSITIVE_SEMIDEFINITE;
  m->B.solve_kind = KAPPA_SOLVE_EXACT;
  m->B.multiply = multiply;
  m->B.diagonal = diagonal;
  m->B.solve_damped = solve_damped;
  return KAPPA_OK;
}

static const kappa_operator* at_point(void* self) {
  model* m = self;
  return &m->B;
}

/* ---- what kappa reads when it loads the file. Entries that are not named are NULL: not offered ---- */

static const kappa_curvature functions = {
    .struct_size = sizeof(kappa_curvature),
    .create = create,
    .destroy = destroy,
    .needs = needs,
    .start = start,
    .refresh = refresh,
    .at_point = at_point,
};

static const kappa_part two_point = {
    .struct_size = sizeof(kappa_part),
    .kind = KAPPA_PART_CURVATURE,
    .name = "two-point",
    .summary = "A scalar and a rank-one term that fit the last step; gradients alone.",
    .source = "Nocedal & Wright 2006, eq. 6.24",
    .options =
        "[{\"name\": \"share\", \"default\": 0.5, \"source\": \"the middle of its range\","
        " \"meaning\": \"part of the curvature along the last step that all directions get\"}]",
    .table = &functions,
};

static const kappa_part* const parts[] = {&two_point};

static const kappa_plugin plugin = {
    .struct_size = sizeof(kappa_plugin),
    .abi = KAPPA_PLUGIN_ABI,
    .name = "tutorial",
    .version = "1.0",
    .parts = 1,
    .part = parts,
};

const kappa_plugin* kappa_plugin_entry(const kappa_host* host, kappa_text error) {
  if (host->abi < KAPPA_PLUGIN_ABI) {
    say(error, "it was compiled for a newer kappa");
    return NULL;
  }
  return &plugin;
}
