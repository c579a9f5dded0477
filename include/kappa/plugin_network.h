/* The layers of a network, as a curvature plugin sees them: what query("kappa.network.layers/1") of a
 * kappa_point answers where the problem is a feed-forward network (network.h), NULL elsewhere.
 *
 *   z = W a + b,   gradient of a sample's loss: delta a' for W, delta for b
 *
 * The variables of a layer lie one behind the other in x: W, units x inputs, column-major, and then b. With a
 * 1 appended to a, [W b] is one matrix of inputs + 1 columns whose gradient is delta [a; 1]'. Inputs a and
 * deltas of every sample of the batch are what Kronecker factors are made of (Martens & Grosse 2015).
 *
 * The table and its functions may be used while the refresh that was given the point lasts, from its thread.
 */
#ifndef KAPPA_PLUGIN_NETWORK_H
#define KAPPA_PLUGIN_NETWORK_H

#include "kappa/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KAPPA_NETWORK_LAYERS "kappa.network.layers/1"

typedef struct kappa_network_layer {
  uint64_t struct_size;
  int64_t units;
  int64_t inputs;       /* of all sources together, without the 1 of the bias */
  int64_t first_weight; /* x[first_weight + i * units + j] is W(j, i) */
  int64_t first_bias;   /* x[first_bias + j] is b(j); first_weight + inputs * units */
} kappa_network_layer;

typedef struct kappa_network_layers {
  uint64_t struct_size;
  void* self; /* the first argument of the functions */
  int64_t layers;
  int64_t samples; /* of the batch: f is the mean of their losses, plus decay */
  double decay;    /* f has decay / 2 |W|^2 of all weights, not of biases */
  kappa_status (*layer)(void* self, int64_t l, kappa_network_layer* out);
  /* One sample in each column of out, columns `stride` apart: what the weights multiply (inputs long). */
  kappa_status (*inputs)(void* self, int64_t l, double* out, int64_t stride);
  /* The gradient of each sample's own loss with respect to z (units long); not divided by the samples. */
  kappa_status (*deltas)(void* self, int64_t l, double* out, int64_t stride);
  /* The same with targets drawn from the network's own distribution; the same draw, the same targets. Their
   * mean square is the Fisher information, that of `deltas` the empirical one. */
  kappa_status (*sampled_deltas)(void* self, int64_t l, uint64_t draw, double* out, int64_t stride);
} kappa_network_layers;

#ifdef __cplusplus
}
#endif

#endif
