// Compiled with the flags of this program, which are the library's.
#define KAPPA_EIGEN_PRODUCTS eigen_products
#define KAPPA_EIGEN_PRODUCTS_NAME "bare products"
#include "bench/peers/eigen_products.h"
