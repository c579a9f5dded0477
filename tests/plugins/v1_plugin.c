/* A plugin compiled with the header of version 1, as it was published: every later kappa must load it. */
#include "v1/plugin.h"

#include <stdlib.h>

typedef struct scaled {
  const kappa_point *now;
  kappa_operator table;
} scaled;

static kappa_status create(const kappa_host *host, const char *options, void **self, kappa_text error) {
  (void)options, (void)error;
  if (host->struct_size < sizeof(kappa_host) || host->abi < KAPPA_PLUGIN_ABI) {
    return KAPPA_ERROR;
  }
  *self = calloc(1, sizeof(scaled));
  return *self != NULL ? KAPPA_OK : KAPPA_OUT_OF_MEMORY;
}
static void destroy(void *self) { free(self); }
static kappa_status needs(void *self, kappa_curvature_needs *out) {
  (void)self;
  out->models = 1u << KAPPA_MODEL_GAUSS_NEWTON;
  return KAPPA_OK;
}
static kappa_status multiply(void *self, const double *v, double *out) {
  const scaled *s = self;
  return s->now->product(s->now->self, KAPPA_MODEL_GAUSS_NEWTON, v, out);
}
static kappa_status diagonal(void *self, double *out) {
  const scaled *s = self;
  return s->now->diagonal(s->now->self, KAPPA_MODEL_GAUSS_NEWTON, out);
}
static kappa_status dense(void *self, double *out, int64_t stride) {
  const scaled *s = self;
  return s->now->dense(s->now->self, KAPPA_MODEL_GAUSS_NEWTON, out, stride);
}
static kappa_status refresh(void *self, const kappa_point *now, const kappa_point *previous, const double *step,
                            kappa_text error) {
  scaled *s = self;
  (void)previous, (void)step, (void)error;
  s->now = now;
  s->table.struct_size = sizeof s->table;
  s->table.self = s;
  s->table.size = now->tangent_dimension;
  s->table.definiteness = KAPPA_POSITIVE_SEMIDEFINITE;
  s->table.multiply = multiply;
  s->table.diagonal = now->diagonal != NULL ? diagonal : NULL;
  s->table.dense = now->dense != NULL ? dense : NULL;
  return KAPPA_OK;
}
static const kappa_operator *at_point(void *self) { return &((scaled *)self)->table; }

static const kappa_curvature curvature = {.struct_size = sizeof curvature,
                                          .create = create,
                                          .destroy = destroy,
                                          .needs = needs,
                                          .refresh = refresh,
                                          .at_point = at_point};
static const kappa_part part = {.struct_size = sizeof part,
                                .kind = KAPPA_PART_CURVATURE,
                                .name = KAPPA_TEST_NAME,
                                .summary = "Gauss-Newton, as version 1 could hand it on.",
                                .table = &curvature};
static const kappa_part *const parts[] = {&part};
static const kappa_plugin plugin = {.struct_size = sizeof plugin,
                                    .abi = KAPPA_PLUGIN_ABI,
                                    .name = KAPPA_TEST_NAME,
                                    .version = "1",
                                    .parts = 1,
                                    .part = parts};

const kappa_plugin *kappa_plugin_entry(const kappa_host *host, kappa_text error) {
  (void)host, (void)error;
  return &plugin;
}
