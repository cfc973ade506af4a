// What the bindings share: arrays of exact types, errors, and a poll that answers Ctrl-C.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "parallel.hpp"

namespace py = pybind11;

namespace fastepll {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

inline void require(bool condition, const char* message) {
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

template <class T>
bool has_shape(const Array<T>& array, const std::vector<py::ssize_t>& shape) {
  return std::equal(array.shape(), array.shape() + array.ndim(), shape.begin(), shape.end());
}

// Each adds what is in the file of its name to the module.
void bind_diffusion(py::module_& m);
void bind_mixture(py::module_& m);
void bind_noise(py::module_& m);
void bind_pass(py::module_& m);
void bind_scales(py::module_& m);

}  // namespace fastepll
