// Python: the steps of noise estimation.
#include <algorithm>
#include <cstdint>
#include <string>

#include "dispatch.hpp"
#include "noise.hpp"
#include "python.hpp"

namespace fastepll {
namespace {

Array<float> run_patch_statistics(const Array<float>& plane, const Array<std::int32_t>& corners,
                                  std::size_t height, std::size_t width, const Array<float>& high,
                                  std::size_t side, const std::string& isa, int n_threads) {
  require(plane.ndim() == 2 && corners.ndim() == 2 && corners.shape(1) == 2 && high.ndim() == 2 &&
              high.shape(1) == static_cast<py::ssize_t>(height * width),
          "wanted a plane, corners (n, 2) and high (h, height * width)");
  require(2 <= side && side <= kMaxSquareSide && n_threads >= 1, "side or n_threads out of range");
  const Plane view{plane.data(), static_cast<std::size_t>(plane.shape(0)),
                   static_cast<std::size_t>(plane.shape(1))};
  const HighBands bands{height, width, high.data(), static_cast<std::size_t>(high.shape(0))};
  const std::size_t n = static_cast<std::size_t>(corners.shape(0));
  const std::int32_t* at = corners.data();
  for (std::size_t i = 0; i < n; ++i)
    require(at[2 * i] >= 0 && at[2 * i + 1] >= 0 && at[2 * i] + height <= view.height &&
                at[2 * i + 1] + width <= view.width,
            "patches must lie in the plane");
  const KernelTable& table = kernels_for(isa);
  Array<float> result({corners.shape(0), py::ssize_t{3}});
  float* target = result.mutable_data();
  PythonPoll poll(py::none{});
  bool completed;
  {
    py::gil_scoped_release release;
    completed =
        patch_statistics(table, view, at, n, bands, side, n_threads, poll.function(), target);
  }
  poll.finish(completed);
  return result;
}

Array<double> run_conditional_log_probs(const Array<float>& squared_norms,
                                        const Array<double>& precisions,
                                        const Array<double>& offsets, std::size_t n_low,
                                        const std::string& isa, int n_threads) {
  require(squared_norms.ndim() == 2 && precisions.ndim() == 3 && offsets.ndim() == 3 &&
              precisions.shape(1) == squared_norms.shape(1) &&
              offsets.shape(0) == precisions.shape(0) && offsets.shape(1) == 2 &&
              offsets.shape(2) == precisions.shape(2),
          "wanted squared_norms (n, bands), precisions (s, bands, k) and offsets (s, 2, k)");
  const NoiseLevels sigmas{static_cast<std::size_t>(precisions.shape(0)),
                           static_cast<std::size_t>(precisions.shape(1)),
                           n_low,
                           static_cast<std::size_t>(precisions.shape(2)),
                           precisions.data(),
                           offsets.data()};
  require(n_low <= sigmas.n_bands && n_threads >= 1, "n_low or n_threads out of range");
  const KernelTable& table = kernels_for(isa);
  const float* values = squared_norms.data();
  const std::size_t n = static_cast<std::size_t>(squared_norms.shape(0));
  Array<double> result({squared_norms.shape(0), precisions.shape(0)});
  double* target = result.mutable_data();
  PythonPoll poll(py::none{});
  bool completed;
  {
    py::gil_scoped_release release;
    completed = conditional_log_probs(table, values, n, sigmas, n_threads, poll.function(), target);
  }
  poll.finish(completed);
  return result;
}

}  // namespace

void bind_noise(py::module_& m) {
  m.def("patch_statistics", &run_patch_statistics, py::arg("plane").noconvert(),
        py::arg("corners").noconvert(), py::arg("height"), py::arg("width"),
        py::arg("high").noconvert(), py::arg("side"), py::arg("isa"), py::arg("n_threads"));
  m.def("conditional_log_probs", &run_conditional_log_probs, py::arg("squared_norms").noconvert(),
        py::arg("precisions").noconvert(), py::arg("offsets").noconvert(), py::arg("n_low"),
        py::arg("isa"), py::arg("n_threads"));
}

}  // namespace fastepll
