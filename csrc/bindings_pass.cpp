// Python: passes over an image.
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "pass.hpp"
#include "python.hpp"

namespace fastepll {
namespace {

Image view_image(const Array<float>& image, const Mixture& mixture, int n_threads) {
  const py::ssize_t n = image.ndim();
  const auto channels = static_cast<py::ssize_t>(mixture.shape.channels);
  require(n == 2 ? channels == 1 : n == 3 && image.shape(0) == channels,
          "image must have 2 dimensions, or 3 beginning with the channels of the patches");
  const Image view{image.data(), static_cast<std::size_t>(image.shape(n - 2)),
                   static_cast<std::size_t>(image.shape(n - 1))};
  require(view.height >= mixture.shape.height && view.width >= mixture.shape.width,
          "image must not be smaller than a patch");
  require(n_threads >= 1, "n_threads must be positive");
  return view;
}

Grid view_grid(const Mixture& m, std::size_t stride, std::size_t shift_y, std::size_t shift_x) {
  require(stride <= std::min(m.shape.height, m.shape.width),
          "stride must be at most the patch side");
  require(1 <= stride && shift_y < stride && shift_x < stride, "shifts must be below the stride");
  return {stride, shift_y, shift_x};
}

// The rows and columns of patch positions.
std::vector<py::ssize_t> grid_shape(const Image& view, const Mixture& m, const Grid& grid) {
  const auto count = [&](std::size_t n, std::size_t p, std::size_t shift) {
    return static_cast<py::ssize_t>(positions(n, p, grid.stride, shift).size());
  };
  return {count(view.height, m.shape.height, grid.shift_y),
          count(view.width, m.shape.width, grid.shift_x)};
}

// The array that a tuple has at `index`, never a converted copy of it.
template <class T>
Array<T> array_at(const py::tuple& values, std::size_t index) {
  const py::object value = values[index];
  if (!py::isinstance<Array<T>>(value))
    throw py::type_error("arrays of a pass must be C-contiguous, of float32, the hints of int32");
  return py::reinterpret_borrow<Array<T>>(value);
}

// `calls` has a tuple (image, prepared, stride, shift_y, shift_x, noisy, blend, hints, out) for
// each pass; noisy and hints may be None.
void run_prior_passes(const std::vector<py::tuple>& calls, int n_threads, py::object callback) {
  std::vector<PassCall> passes;
  for (const py::tuple& call : calls) {
    require(call.size() == 9, "a pass must have 9 values");
    const auto image = array_at<float>(call, 0);
    const auto& prepared = call[1].cast<const PreparedMixture&>();
    const Image view = view_image(image, prepared.mixture(), n_threads);
    const Grid grid = view_grid(prepared.mixture(), call[2].cast<std::size_t>(),
                                call[3].cast<std::size_t>(), call[4].cast<std::size_t>());
    const std::vector<py::ssize_t> shape(image.shape(), image.shape() + image.ndim());
    auto out = array_at<float>(call, 8);
    PassCall pass{view, nullptr, call[6].cast<float>(), &prepared,
                  grid, nullptr, out.mutable_data()};
    require(has_shape(out, shape), "image, noisy and out must have one shape");
    if (!call[5].is_none()) {
      const auto noisy = array_at<float>(call, 5);
      require(has_shape(noisy, shape), "image, noisy and out must have one shape");
      pass.noisy = noisy.data();
    }
    require(pass.result != view.data && pass.result != pass.noisy,
            "out must be another array than the inputs");
    if (!call[7].is_none()) {
      auto hints = array_at<std::int32_t>(call, 7);
      require(has_shape(hints, grid_shape(view, prepared.mixture(), grid)),
              "hints must have the shape of the grid");
      pass.hints = hints.mutable_data();
    }
    passes.push_back(pass);
  }
  require(!passes.empty(), "there must be a pass");
  PythonPoll poll(std::move(callback));
  bool completed;
  {
    py::gil_scoped_release release;
    completed = prior_passes(passes, n_threads, poll.function());
  }
  poll.finish(completed);
}

Array<std::int32_t> run_select(const Array<float>& image, const PreparedMixture& prepared,
                               std::size_t stride, std::size_t shift_y, std::size_t shift_x,
                               bool exhaustive, int n_threads) {
  const Mixture& m = prepared.mixture();
  const Image view = view_image(image, m, n_threads);
  const Grid grid = view_grid(prepared.mixture(), stride, shift_y, shift_x);
  require(!exhaustive || prepared.tables().options.exact, "only exact selection can be exhaustive");
  Array<std::int32_t> result(grid_shape(view, m, grid));
  std::int32_t* target = result.mutable_data();
  PythonPoll poll(py::none{});
  bool completed;
  {
    py::gil_scoped_release release;
    completed = select_pass(view, prepared, grid, exhaustive, n_threads, poll.function(), target);
  }
  poll.finish(completed);
  return result;
}

Array<double> run_log_probs(const Array<float>& image, const PreparedMixture& prepared,
                            int n_threads) {
  const Tables& t = prepared.tables();
  const Image view = view_image(image, prepared.mixture(), n_threads);
  const Grid grid{1, 0, 0};
  require(!t.options.exact && t.n_active == t.n_coefs,
          "tables must be of all coefficients, and not exact");
  Array<double> result(grid_shape(view, prepared.mixture(), grid));
  double* target = result.mutable_data();
  PythonPoll poll(py::none{});
  bool completed;
  {
    py::gil_scoped_release release;
    completed = likelihood_pass(view, prepared, grid, n_threads, poll.function(), target);
  }
  poll.finish(completed);
  return result;
}

}  // namespace

void bind_pass(py::module_& m) {
  m.def("prior_passes", &run_prior_passes, py::arg("calls"), py::arg("n_threads"), py::arg("poll"));
  m.def("select", &run_select, py::arg("image").noconvert(), py::arg("prepared"), py::arg("stride"),
        py::arg("shift_y"), py::arg("shift_x"), py::arg("exhaustive"), py::arg("n_threads"));
  m.def("log_probs", &run_log_probs, py::arg("image").noconvert(), py::arg("prepared"),
        py::arg("n_threads"));
}

}  // namespace fastepll
