// Python: two scales of an image.
#include "python.hpp"
#include "scales.hpp"

namespace fastepll {
namespace {

void require_halves(const Array<float>& image, const Array<float>& half, int n_threads) {
  require(image.ndim() == 2 && half.ndim() == 2 && half.size() > 0 &&
              half.shape(0) == image.shape(0) / 2 && half.shape(1) == image.shape(1) / 2,
          "wanted an image and others of half its size");
  require(n_threads >= 1, "n_threads must be positive");
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

void bind_scales(py::module_& m) {
  m.def("halve", &run_halve, py::arg("image").noconvert(), py::arg("out").noconvert(),
        py::arg("n_threads"));
  m.def("add_coarse", &run_add_coarse, py::arg("image").noconvert(), py::arg("coarse").noconvert(),
        py::arg("weight"), py::arg("scratch").noconvert(), py::arg("n_threads"));
}

}  // namespace fastepll
