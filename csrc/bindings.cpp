// Python: the module, its instruction sets, threads and memory. Every binding of the core views its
// arrays, releases the GIL around one call, and returns an array.
#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "dispatch.hpp"
#include "python.hpp"
#include "workspace.hpp"

using namespace fastepll;

// By this threadpoolctl knows the library.
extern "C" PYBIND11_EXPORT int fastepll_core() { return 1; }

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "Native core of fastepll; use it through fastepll.backends.";
  bind_diffusion(m);
  bind_mixture(m);
  bind_pass(m);
  bind_noise(m);
  bind_scales(m);
  m.def("supported_isas", &supported_isas);
  m.def("compiled_isas", &compiled_isas);
  m.def("resolve_isa", [](const std::string& name) { return kernels_for(name).isa; });
  m.def("use_runner", [](const std::optional<py::capsule>& runner) {
    require(!runner || std::string(runner->name()) == "fastepll.runner", "not a runner");
    use_runner(runner ? reinterpret_cast<Runner>(runner->get_pointer<void>()) : nullptr);
  });
  m.def("thread_limit", &thread_limit);
  m.def("set_thread_limit", &set_thread_limit);
  m.def("thread_counts", [] {
    const Counts n = counts();
    py::dict result;
    result["loops"] = n.loops;
    result["pieces"] = n.pieces;
    result["helpers"] = n.helpers;
    result["workers"] = n.workers;
    return result;
  });
  m.def("pooled_bytes", &pooled_bytes);
}
