// Compiled with -O3 -march=native.
#define KAPPA_EIGEN_PRODUCTS eigen_products_native
#define KAPPA_EIGEN_PRODUCTS_NAME "bare products, -O3 -march=native"
#include "bench/peers/eigen_products.h"
