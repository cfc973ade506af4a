// Python: steps of a trained reaction diffusion.
#include "diffusion.hpp"
#include "dispatch.hpp"
#include "python.hpp"

namespace fastepll {
namespace {

DiffusionStep make_step(const Array<double>& analysis, const Array<double>& values,
                        const Array<double>& synthesis, std::size_t height, std::size_t width,
                        double reach, double reaction, bool guided, const std::string& isa) {
  require(analysis.ndim() == 2 && values.ndim() == 2 && synthesis.ndim() == 2, "wanted matrices");
  const py::ssize_t d = synthesis.shape(0), n = synthesis.shape(1);
  require(height > 0 && width > 0 && n > 0 && static_cast<std::size_t>(d) == height * width &&
              analysis.shape(0) == n && analysis.shape(1) == 2 * d && values.shape(0) == n &&
              values.shape(1) >= 2 && reach > 0,
          "matrices of a step must be (n, 2 d), (n, knots) and (d, n)");
  return {
      {analysis.data(), values.data(), synthesis.data(), height, width, static_cast<std::size_t>(n),
       static_cast<std::size_t>(values.shape(1)), reach, reaction, guided},
      kernels_for(isa)};
}

void run_diffuse(const Array<float>& image, const Array<float>& noisy, const DiffusionStep& step,
                 Array<float> out, std::pair<std::size_t, std::size_t> origin, int n_threads,
                 py::object callback) {
  require(image.ndim() == 2, "image must have 2 dimensions");
  const std::vector<py::ssize_t> shape(image.shape(), image.shape() + 2);
  require(noisy.ndim() == 2 && out.ndim() == 2 && has_shape(noisy, shape) && has_shape(out, shape),
          "image, noisy and out must have one shape");
  const Image view{image.data(), static_cast<std::size_t>(shape[0]),
                   static_cast<std::size_t>(shape[1])};
  require(view.height >= step.tables().rows.length && view.width >= step.tables().cols.length,
          "image must not be smaller than a patch");
  require(n_threads >= 1, "n_threads must be positive");
  float* result = out.mutable_data();
  require(result != image.data() && result != noisy.data(),
          "out must be another array than the inputs");
  PythonPoll poll(std::move(callback));
  bool completed;
  {
    py::gil_scoped_release release;
    completed = diffuse(view, noisy.data(), origin.first, origin.second, step, n_threads,
                        poll.function(), result);
  }
  poll.finish(completed);
}

}  // namespace

void bind_diffusion(py::module_& m) {
  py::class_<DiffusionStep>(m, "DiffusionStep")
      .def(py::init(&make_step), py::arg("analysis").noconvert(), py::arg("values").noconvert(),
           py::arg("synthesis").noconvert(), py::arg("height"), py::arg("width"), py::arg("reach"),
           py::arg("reaction"), py::arg("guided"), py::arg("isa"));
  m.def("diffuse", &run_diffuse, py::arg("image").noconvert(), py::arg("noisy").noconvert(),
        py::arg("step"), py::arg("out").noconvert(), py::arg("origin"), py::arg("n_threads"),
        py::arg("poll"));
}

}  // namespace fastepll
