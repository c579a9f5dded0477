/* A library that is no plugin. */
int kappa_hostile_no_symbol(void);
int kappa_hostile_no_symbol(void) {
  return 1;
}
