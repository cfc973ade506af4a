// Loops over independent pieces of work on several threads, stoppable from the caller's thread.
#pragma once
#include <cstddef>
#include <functional>

namespace fastepll {

// Called on the caller's thread some 20 times a second with the fraction done; false stops the
// work.
using Poll = std::function<bool(double)>;

// Calls body(index, thread) for every index < n, thread < n_threads; each index once, in any order.
// body must not throw. Returns false if poll stopped it. `begin` and `end` are the fractions
// of the whole job that poll is told at the start and the end of this loop.
bool parallel_for(std::size_t n, int n_threads, const std::function<void(std::size_t, int)>& body,
                  const Poll& poll, double begin, double end);

// Threads that OpenMP would use in this thread (threadpoolctl sets it); 0 without OpenMP.
int openmp_max_threads();

}  // namespace fastepll
