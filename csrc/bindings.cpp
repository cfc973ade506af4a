// Python: views in, array out, the GIL released around one call into the core.
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dispatch.hpp"
#include "gmm.hpp"
#include "pass.hpp"
#include "python.hpp"
#include "scales.hpp"
#include "workspace.hpp"

using namespace fastepll;

namespace {

std::shared_ptr<Mixture> make_mixture(const Array<double>& weights,
                                      const Array<double>& eigenvalues,
                                      const Array<double>& eigenvectors, const Array<double>& basis,
                                      std::size_t height, std::size_t width, std::size_t channels,
                                      const std::string& level, int n_threads) {
  const PatchShape shape{height, width, channels};
  require(2 <= height && height <= 64 && 2 <= width && width <= 64 && 1 <= channels &&
              channels <= 64 && shape.size() <= 256,
          "patch sides must be 2 to 64, with at most 256 values");
  require(n_threads >= 1, "n_threads must be positive");
  const py::ssize_t k = weights.size(), d = static_cast<py::ssize_t>(shape.size());
  const auto has = [](const py::array& a, std::initializer_list<py::ssize_t> shape) {
    return std::equal(a.shape(), a.shape() + a.ndim(), shape.begin(), shape.end());
  };
  require(k >= 1 && has(weights, {k}) && has(eigenvalues, {k, d}) && has(eigenvectors, {k, d, d}) &&
              has(basis, {d, d}),
          "arrays of the mixture do not fit each other");
  const KernelTable& table = kernels(level);
  const double *w = weights.data(), *values = eigenvalues.data(), *vectors = eigenvectors.data();
  const double* rows = basis.data();
  PythonPoll poll(py::none{});
  std::shared_ptr<Mixture> result;
  {
    py::gil_scoped_release release;
    result = Mixture::make(table, k, shape, w, values, vectors, rows, n_threads, poll.function());
  }
  poll.finish(result != nullptr);
  return result;
}

std::shared_ptr<Prepared> prepare(std::shared_ptr<Mixture> mixture, double noise_var, bool exact,
                                  std::size_t screen_dims, std::size_t refine_dims, double margin,
                                  double middle_margin, bool mean, bool weighted,
                                  double rank_tolerance, double window, int n_threads) {
  require(noise_var >= 0 && (noise_var > 0 || !exact), "noise_var must be positive");
  require(n_threads >= 1, "n_threads must be positive");
  require(1 <= screen_dims && screen_dims <= refine_dims && margin >= 0 && middle_margin >= 0 &&
              rank_tolerance >= 0 && window >= 0,
          "wanted 1 <= screen_dims <= refine_dims; margins, rank_tolerance and window >= 0");
  const Spec spec{noise_var,     exact, screen_dims, refine_dims,    margin,
                  middle_margin, mean,  weighted,    rank_tolerance, window};
  PythonPoll poll(py::none{});
  std::unique_ptr<Prepared> result;
  {
    py::gil_scoped_release release;
    result = Prepared::make(std::move(mixture), spec, n_threads, poll.function());
  }
  poll.finish(result != nullptr);
  return result;
}

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

void require_halves(const Array<float>& image, const Array<float>& half, int n_threads) {
  require(image.ndim() == 2 && half.ndim() == 2 && half.size() > 0 &&
              half.shape(0) == image.shape(0) / 2 && half.shape(1) == image.shape(1) / 2,
          "wanted an image and others of half its size");
  require(n_threads >= 1, "n_threads must be positive");
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
  std::vector<PriorPass> passes;
  for (const py::tuple& call : calls) {
    require(call.size() == 9, "a pass must have 9 values");
    const auto image = array_at<float>(call, 0);
    const auto& prepared = call[1].cast<const Prepared&>();
    const Image view = view_image(image, prepared.mixture(), n_threads);
    const Grid grid = view_grid(prepared.mixture(), call[2].cast<std::size_t>(),
                                call[3].cast<std::size_t>(), call[4].cast<std::size_t>());
    const std::vector<py::ssize_t> shape(image.shape(), image.shape() + image.ndim());
    auto out = array_at<float>(call, 8);
    PriorPass pass{view, nullptr, call[6].cast<float>(), &prepared,
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

Array<std::int32_t> run_select(const Array<float>& image, const Prepared& prepared,
                               std::size_t stride, std::size_t shift_y, std::size_t shift_x,
                               bool exhaustive, int n_threads) {
  const Mixture& m = prepared.mixture();
  const Image view = view_image(image, m, n_threads);
  const Grid grid = view_grid(prepared.mixture(), stride, shift_y, shift_x);
  require(!exhaustive || prepared.tables().spec.exact, "only exact selection can be exhaustive");
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

Array<double> run_log_probs(const Array<float>& image, const Prepared& prepared, int n_threads) {
  const Tables& t = prepared.tables();
  const Image view = view_image(image, prepared.mixture(), n_threads);
  const Grid grid{1, 0, 0};
  require(!t.spec.exact && t.coefs == t.q, "tables must be of all coefficients, and not exact");
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

void run_halve(const Array<float>& image, Array<float> out, int n_threads) {
  require_halves(image, out, n_threads);
  float* result = out.mutable_data();
  py::gil_scoped_release release;
  halve(image.data(), image.shape(0), image.shape(1), n_threads, result);
}

void run_add_coarse(Array<float> image, const Array<float>& coarse, float weight,
                    Array<float> scratch, int n_threads) {
  require_halves(image, coarse, n_threads);
  require_halves(image, scratch, n_threads);
  float *target = image.mutable_data(), *spare = scratch.mutable_data();
  py::gil_scoped_release release;
  add_coarse(target, image.shape(0), image.shape(1), coarse.data(), weight, n_threads, spare);
}

}  // namespace

// By this threadpoolctl knows the library.
extern "C" PYBIND11_EXPORT int fastepll_core() { return 1; }

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "Native core of fastepll; use it through fastepll.backends.";
  py::class_<Mixture, std::shared_ptr<Mixture>>(m, "Mixture")
      .def(py::init(&make_mixture), py::arg("weights"), py::arg("eigenvalues"),
           py::arg("eigenvectors"), py::arg("basis"), py::arg("height"), py::arg("width"),
           py::arg("channels"), py::arg("level"), py::arg("n_threads"))
      .def_property_readonly("level", [](const Mixture& x) { return x.kernels.level; })
      .def_property_readonly("nbytes", &Mixture::nbytes)
      .def("prepare", &prepare, py::arg("noise_var"), py::arg("exact"), py::arg("screen_dims"),
           py::arg("refine_dims"), py::arg("margin"), py::arg("middle_margin"), py::arg("mean"),
           py::arg("weighted"), py::arg("rank_tolerance"), py::arg("window"), py::arg("n_threads"));
  py::class_<Prepared, std::shared_ptr<Prepared>>(m, "Prepared")
      .def_property_readonly("nbytes", &Prepared::nbytes);
  m.def("prior_passes", &run_prior_passes, py::arg("calls"), py::arg("n_threads"), py::arg("poll"));
  m.def("select", &run_select, py::arg("image").noconvert(), py::arg("prepared"), py::arg("stride"),
        py::arg("shift_y"), py::arg("shift_x"), py::arg("exhaustive"), py::arg("n_threads"));
  m.def("log_probs", &run_log_probs, py::arg("image").noconvert(), py::arg("prepared"),
        py::arg("n_threads"));
  bind_noise(m);
  m.def("halve", &run_halve, py::arg("image").noconvert(), py::arg("out").noconvert(),
        py::arg("n_threads"));
  m.def("add_coarse", &run_add_coarse, py::arg("image").noconvert(), py::arg("coarse").noconvert(),
        py::arg("weight"), py::arg("scratch").noconvert(), py::arg("n_threads"));
  m.def("levels", &levels);
  m.def("compiled_levels", &compiled_levels);
  m.def("resolve_level", [](const std::string& name) { return kernels(name).level; });
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
  m.def("resting_bytes", &resting_bytes);
}
