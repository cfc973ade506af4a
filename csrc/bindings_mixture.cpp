// Python: mixtures, and what a pass needs of them.
#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>

#include "dispatch.hpp"
#include "prepared_mixture.hpp"
#include "python.hpp"

namespace fastepll {
namespace {

std::shared_ptr<Mixture> make_mixture(const Array<double>& weights,
                                      const Array<double>& eigenvalues,
                                      const Array<double>& eigenvectors, const Array<double>& basis,
                                      std::size_t height, std::size_t width, std::size_t channels,
                                      const std::string& isa, int n_threads) {
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
  const KernelTable& table = kernels_for(isa);
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

std::shared_ptr<PreparedMixture> prepare(std::shared_ptr<Mixture> mixture, double noise_var,
                                         bool exact, std::size_t n_screen, std::size_t n_refine,
                                         double margin, double middle_margin, bool top_mean,
                                         bool weighted, double rank_tolerance, double window_decay,
                                         int n_threads) {
  require(noise_var >= 0 && (noise_var > 0 || !exact), "noise_var must be positive");
  require(n_threads >= 1, "n_threads must be positive");
  require(1 <= n_screen && n_screen <= n_refine && margin >= 0 && middle_margin >= 0 &&
              rank_tolerance >= 0 && window_decay >= 0,
          "wanted 1 <= n_screen <= n_refine; margins, rank_tolerance and window_decay >= 0");
  const PassOptions options{noise_var,     exact,    n_screen, n_refine,       margin,
                            middle_margin, top_mean, weighted, rank_tolerance, window_decay};
  PythonPoll poll(py::none{});
  std::unique_ptr<PreparedMixture> result;
  {
    py::gil_scoped_release release;
    result = PreparedMixture::make(std::move(mixture), options, n_threads, poll.function());
  }
  poll.finish(result != nullptr);
  return result;
}

}  // namespace

void bind_mixture(py::module_& m) {
  py::class_<Mixture, std::shared_ptr<Mixture>>(m, "Mixture")
      .def(py::init(&make_mixture), py::arg("weights"), py::arg("eigenvalues"),
           py::arg("eigenvectors"), py::arg("basis"), py::arg("height"), py::arg("width"),
           py::arg("channels"), py::arg("isa"), py::arg("n_threads"))
      .def_property_readonly("isa", [](const Mixture& x) { return x.kernels.isa; })
      .def_property_readonly("nbytes", &Mixture::nbytes)
      .def("prepare", &prepare, py::arg("noise_var"), py::arg("exact"), py::arg("n_screen"),
           py::arg("n_refine"), py::arg("margin"), py::arg("middle_margin"), py::arg("top_mean"),
           py::arg("weighted"), py::arg("rank_tolerance"), py::arg("window_decay"),
           py::arg("n_threads"));
  py::class_<PreparedMixture, std::shared_ptr<PreparedMixture>>(m, "PreparedMixture")
      .def_property_readonly("nbytes", &PreparedMixture::nbytes);
}

}  // namespace fastepll
