// The layout as C++ sees it: of the header as it is, and of version 1 as it was.
#ifdef KAPPA_TEST_V1
#include "v1/plugin.h"
#else
#include "kappa/plugin.h"
#endif

#include "layout.h"
