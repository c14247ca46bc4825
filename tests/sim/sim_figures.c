#include "sim_figures.h"

#include "sim_world.h"

int sim_figures(const char *const *names, size_t count)
{
    (void)names;
    return (int)count;
}
