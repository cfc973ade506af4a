// The OpenMP threading layer, an extension of its own: only who asks for it loads an OpenMP
// runtime.
#include <omp.h>
#include <pybind11/pybind11.h>

#include "parallel.hpp"

namespace {

void run(int n_threads, void (*work)(void*, int), void* context) {
#pragma omp parallel num_threads(n_threads)
  work(context, omp_get_thread_num());
}

}  // namespace

PYBIND11_MODULE(_openmp, m, pybind11::mod_gil_not_used()) {
  m.doc() = "OpenMP threads for fastepll._core.use_runner.";
  m.attr("runner") = pybind11::capsule(reinterpret_cast<void*>(&run), "fastepll.runner");
}
