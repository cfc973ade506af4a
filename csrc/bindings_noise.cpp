// Python: the steps of noise estimation.
#include <algorithm>
#include <cstdint>
#include <string>

#include "dispatch.hpp"
#include "noise.hpp"
#include "python.hpp"

namespace fastepll {
namespace {

Array<float> run_inspect(const Array<float>& plane, const Array<std::int32_t>& corners,
                         std::size_t height, std::size_t width, const Array<float>& high,
                         std::size_t side, const std::string& level, int n_threads) {
  require(plane.ndim() == 2 && corners.ndim() == 2 && corners.shape(1) == 2 && high.ndim() == 2 &&
              high.shape(1) == static_cast<py::ssize_t>(height * width),
          "wanted a plane, corners (n, 2) and high (h, height * width)");
  require(2 <= side && side <= kMostSide && n_threads >= 1, "side or n_threads out of range");
  const Plane view{plane.data(), static_cast<std::size_t>(plane.shape(0)),
                   static_cast<std::size_t>(plane.shape(1))};
  const Probe probe{height, width, high.data(), static_cast<std::size_t>(high.shape(0))};
  const std::size_t n = static_cast<std::size_t>(corners.shape(0));
  const std::int32_t* at = corners.data();
  for (std::size_t i = 0; i < n; ++i)
    require(at[2 * i] >= 0 && at[2 * i + 1] >= 0 && at[2 * i] + height <= view.height &&
                at[2 * i + 1] + width <= view.width,
            "patches must lie in the plane");
  const KernelTable& table = kernels(level);
  Array<float> result({corners.shape(0), py::ssize_t{3}});
  float* target = result.mutable_data();
  PythonPoll poll(py::none{});
  bool completed;
  {
    py::gil_scoped_release release;
    completed = inspect(table, view, at, n, probe, side, n_threads, poll.function(), target);
  }
  poll.finish(completed);
  return result;
}

Array<double> run_evidence(const Array<float>& energies, const Array<double>& precisions,
                           const Array<double>& offsets, std::size_t n_low,
                           const std::string& level, int n_threads) {
  require(energies.ndim() == 2 && precisions.ndim() == 3 && offsets.ndim() == 3 &&
              precisions.shape(1) == energies.shape(1) && offsets.shape(0) == precisions.shape(0) &&
              offsets.shape(1) == 2 && offsets.shape(2) == precisions.shape(2),
          "wanted energies (n, bands), precisions (s, bands, k) and offsets (s, 2, k)");
  const Levels levels{static_cast<std::size_t>(precisions.shape(0)),
                      static_cast<std::size_t>(precisions.shape(1)),
                      n_low,
                      static_cast<std::size_t>(precisions.shape(2)),
                      precisions.data(),
                      offsets.data()};
  require(n_low <= levels.n_bands && n_threads >= 1, "n_low or n_threads out of range");
  const KernelTable& table = kernels(level);
  const float* values = energies.data();
  const std::size_t n = static_cast<std::size_t>(energies.shape(0));
  Array<double> result({energies.shape(0), precisions.shape(0)});
  double* target = result.mutable_data();
  PythonPoll poll(py::none{});
  bool completed;
  {
    py::gil_scoped_release release;
    completed = evidence(table, values, n, levels, n_threads, poll.function(), target);
  }
  poll.finish(completed);
  return result;
}

}  // namespace

void bind_noise(py::module_& m) {
  m.def("inspect", &run_inspect, py::arg("plane").noconvert(), py::arg("corners").noconvert(),
        py::arg("height"), py::arg("width"), py::arg("high").noconvert(), py::arg("side"),
        py::arg("level"), py::arg("n_threads"));
  m.def("evidence", &run_evidence, py::arg("energies").noconvert(),
        py::arg("precisions").noconvert(), py::arg("offsets").noconvert(), py::arg("n_low"),
        py::arg("level"), py::arg("n_threads"));
}

}  // namespace fastepll
