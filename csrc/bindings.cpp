// Python: views in, array out, the GIL released around one call into the core.
#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <memory>
#include <string>

#include "dispatch.hpp"
#include "gmm.hpp"
#include "pass.hpp"

namespace py = pybind11;
using namespace fastepll;

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

void require(bool condition, const char* message) {
  if (!condition) throw py::value_error(message);
}

// A Poll that answers Ctrl-C and tells `callback` (None or callable) the fraction done. What they
// raise is kept, and raised again by `finish` once the threads have stopped.
class PythonPoll {
 public:
  explicit PythonPoll(py::object callback) : callback_(std::move(callback)) {}

  Poll function() {
    return [this](double fraction) {
      py::gil_scoped_acquire gil;
      try {
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        if (!callback_.is_none()) callback_(fraction);
        return true;
      } catch (...) {
        raised_ = std::current_exception();
        return false;
      }
    };
  }

  void finish(bool completed) const {
    if (!completed) std::rethrow_exception(raised_);
  }

 private:
  py::object callback_;
  std::exception_ptr raised_;
};

std::shared_ptr<Mixture> make_mixture(const Array<double>& weights,
                                      const Array<double>& eigenvalues,
                                      const Array<double>& eigenvectors, const Array<double>& basis,
                                      std::size_t height, std::size_t width,
                                      const std::string& level, int n_threads) {
  require(3 <= height && height <= 16 && 3 <= width && width <= 16, "patch sides must be 3 to 16");
  require(n_threads >= 1, "n_threads must be positive");
  const py::ssize_t k = weights.size(), d = static_cast<py::ssize_t>(height * width);
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
    result = Mixture::make(table, k, height, width, w, values, vectors, rows, n_threads,
                           poll.function());
  }
  poll.finish(result != nullptr);
  return result;
}

std::shared_ptr<Prepared> prepare(std::shared_ptr<Mixture> mixture, double noise_var,
                                  int n_threads) {
  require(noise_var > 0 && n_threads >= 1, "noise_var and n_threads must be positive");
  PythonPoll poll(py::none{});
  std::unique_ptr<Prepared> result;
  {
    py::gil_scoped_release release;
    result = Prepared::make(std::move(mixture), noise_var, n_threads, poll.function());
  }
  poll.finish(result != nullptr);
  return result;
}

Image view_image(const Array<float>& image, const Mixture& mixture, int n_threads) {
  require(image.ndim() == 2, "image must have 2 dimensions");
  const Image view{image.data(), static_cast<std::size_t>(image.shape(0)),
                   static_cast<std::size_t>(image.shape(1))};
  require(view.height >= mixture.height && view.width >= mixture.width,
          "image must not be smaller than a patch");
  require(n_threads >= 1, "n_threads must be positive");
  return view;
}

Array<float> run_prior_pass(const Array<float>& image, const Prepared& prepared, int n_threads,
                            py::object callback) {
  const Image view = view_image(image, prepared.mixture(), n_threads);
  Array<float> result({image.shape(0), image.shape(1)});
  float* target = result.mutable_data();
  PythonPoll poll(std::move(callback));
  bool completed;
  {
    py::gil_scoped_release release;
    completed = prior_pass(view, prepared, n_threads, poll.function(), target);
  }
  poll.finish(completed);
  return result;
}

Array<std::int32_t> run_select(const Array<float>& image, const Prepared& prepared,
                               Selection selection, int n_threads) {
  const Mixture& m = prepared.mixture();
  const Image view = view_image(image, m, n_threads);
  Array<std::int32_t> result({view.height - m.height + 1, view.width - m.width + 1});
  std::int32_t* target = result.mutable_data();
  PythonPoll poll(py::none{});
  bool completed;
  {
    py::gil_scoped_release release;
    completed = select_pass(view, prepared, selection, n_threads, poll.function(), target);
  }
  poll.finish(completed);
  return result;
}

}  // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "Native core of fastepll; use it through fastepll.backends.";
  py::class_<Mixture, std::shared_ptr<Mixture>>(m, "Mixture")
      .def(py::init(&make_mixture), py::arg("weights"), py::arg("eigenvalues"),
           py::arg("eigenvectors"), py::arg("basis"), py::arg("height"), py::arg("width"),
           py::arg("level"), py::arg("n_threads"))
      .def_property_readonly("level", [](const Mixture& x) { return x.kernels.level; })
      .def("prepare", &prepare, py::arg("noise_var"), py::arg("n_threads"));
  py::class_<Prepared, std::shared_ptr<Prepared>>(m, "Prepared");
  m.def("prior_pass", &run_prior_pass, py::arg("image").noconvert(), py::arg("prepared"),
        py::arg("n_threads"), py::arg("poll"));
  py::native_enum<Selection>(m, "Selection", "enum.Enum")
      .value("exhaustive", kExhaustive)
      .value("bounded", kBounded)
      .finalize();
  m.def("select", &run_select, py::arg("image").noconvert(), py::arg("prepared"),
        py::arg("selection"), py::arg("n_threads"));
  m.def("levels", &levels);
  m.def("compiled_levels", &compiled_levels);
  m.def("resolve_level", [](const std::string& name) { return kernels(name).level; });
  m.def("openmp_max_threads", &openmp_max_threads);
}
