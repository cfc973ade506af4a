// Loops over independent pieces of work on several threads, stoppable from the caller's thread.
//
// The threads are a team of the process that sleeps between loops. The caller takes part, and
// whoever is free takes the next piece: a thread that the system does not run delays a loop by the
// piece it holds at most, and one that has not woken up when the pieces are gone by nothing. Calls
// from several threads share the team, which is as large as the largest number asked for, less one.
#pragma once
#include <cstddef>
#include <functional>

namespace fastepll {

// Called on the caller's thread some 20 times a second with the fraction done; false stops the
// work.
using Poll = std::function<bool(double)>;

// Calls body(index, thread) for every index < n, thread < n_threads; each index once, begun in
// rising order. body must not throw; it may wait for pieces of a lower index. Returns false if poll
// stopped it. `begin` and `end` are the fractions of the whole job that poll is told at the start
// and the end of this loop.
bool parallel_for(std::size_t n, int n_threads, const std::function<void(std::size_t, int)>& body,
                  const Poll& poll, double begin, double end);

// For short loops that nothing stops.
void parallel_for(std::size_t n, int n_threads, const std::function<void(std::size_t, int)>& body);

// Calls work(context, thread) on n_threads threads, of which the caller is number 0, and returns
// when all have returned.
using Runner = void (*)(int n_threads, void (*work)(void*, int), void* context);

// Threads come from here, but in forked children; null: from the team.
void use_runner(Runner runner);

// Limit on the threads of calls from this thread, for threadpoolctl; 0: none.
int thread_limit();
void set_thread_limit(int n);

// What the loops of this process have done so far.
struct Counts {
  std::size_t loops;    // that asked for more than the caller's thread
  std::size_t pieces;   // of all loops
  std::size_t helpers;  // threads that took part in loops beside the callers
  std::size_t workers;  // threads of the team
};
Counts counts();

}  // namespace fastepll
